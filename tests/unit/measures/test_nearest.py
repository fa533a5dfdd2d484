from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity
from sklearn.neighbors import NearestNeighbors

from llmood.measures import nearest
from llmood.measures.nearest import cosine_to_class_means, knn_distance, nearest_neighbours


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "QUERIES_AT_ONCE", 7)
    monkeypatch.setattr(nearest, "BANK_AT_ONCE", 11)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.usefixtures("small_tiles")
class TestAgainstScikitLearn:
    @pytest.mark.parametrize("k", [1, 3, 20])
    @pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (300.0, 1.0), (0.0, 1e25)])
    def test_neighbours(self, k: int, offset: float, scale: float) -> None:
        bank, queries = normal(100, 6) * scale + offset, normal(30, 6, seed=1) * scale + offset
        distances, indices = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(bank).kneighbors(queries)
        found = nearest_neighbours(queries, bank, k)
        np.testing.assert_array_equal(found.indices, indices)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-7)

    @pytest.mark.parametrize("k", [1, 5])
    def test_distances(self, k: int) -> None:
        bank, queries = normal(50, 4), normal(20, 4, seed=1)
        expected = np.sort(cosine_distances(queries, bank), axis=1)[:, k - 1]
        found = knn_distance(queries, bank, k)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        euclidean = knn_distance(queries, bank, k, metric="euclidean")
        np.testing.assert_allclose(euclidean, np.sqrt(2 * expected), rtol=1e-12)

    def test_itself_left_out(self) -> None:
        bank = normal(40, 3)
        found = nearest_neighbours(bank, bank, 2, exclude=np.arange(40))
        distances, indices = NearestNeighbors(n_neighbors=3, algorithm="brute").fit(bank).kneighbors(bank)
        np.testing.assert_array_equal(found.indices, indices[:, 1:])
        np.testing.assert_allclose(found.distances, distances[:, 1:], rtol=1e-9)


@pytest.mark.usefixtures("small_tiles")
class TestTies:
    def test_a_query_in_the_bank_is_at_exactly_0(self) -> None:
        bank = normal(60, 384).astype(np.float32)
        for metric in ("cosine", "euclidean"):
            assert (knn_distance(bank[:20], bank, metric=metric) == 0).all()  # type: ignore[arg-type]

    def test_equal_rows_come_in_the_bank_s_order(self) -> None:
        bank = np.repeat(normal(8, 5), 6, axis=0)[np.random.default_rng(3).permutation(48)]
        found = nearest_neighbours(bank[:9], bank, 6)
        for query, row in enumerate(found.indices):
            assert row.tolist() == np.flatnonzero((bank == bank[query]).all(axis=1)).tolist()
        assert (found.distances == 0).all()

    def test_only_the_row_itself_is_excluded_not_its_equals(self) -> None:
        bank = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        found = nearest_neighbours(bank, bank, 1, exclude=np.array([0, 1, 2]))
        assert found.indices[:2, 0].tolist() == [1, 0]
        assert found.distances[:, 0].tolist() == [0.0, 0.0, pytest.approx(np.sqrt(2))]
        # −1 excludes none.
        mixed = nearest_neighbours(bank[:2], bank, 1, exclude=np.array([-1, 1]))
        assert mixed.indices[:, 0].tolist() == [0, 0]

    def test_more_ties_than_are_measured_again(self) -> None:
        bank = np.tile(normal(1, 5), (90, 1))
        found = nearest_neighbours(bank[:3], bank, 4)
        assert (found.distances == 0).all()
        assert all(len({*row}) == 4 for row in found.indices.tolist())


def test_alone_and_among_others_it_is_the_same() -> None:
    bank, queries = normal(300, 32).astype(np.float32), normal(40, 32, seed=1).astype(np.float32)
    alone = [knn_distance(row[None], bank, 3)[0] for row in queries]
    np.testing.assert_array_equal(alone, knn_distance(queries, bank, 3))


def test_cosine_to_class_means() -> None:
    means = np.array([[2.0, 0.0], [0.0, 0.5]])
    found = cosine_to_class_means(np.array([[7.0, 0.0], [1.0, 1.0], [-1.0, -1.0]]), means)
    np.testing.assert_allclose(found, [0.0, 1 - np.sqrt(0.5), 1 + np.sqrt(0.5)], atol=1e-15)
    states, means = normal(20, 6), normal(4, 6, seed=1)
    expected = 1 - cosine_similarity(states, means).max(axis=1)
    np.testing.assert_allclose(cosine_to_class_means(states, means), expected, rtol=1e-12)


class TestBadInput:
    def test_k(self) -> None:
        for k in (0, 6):
            with pytest.raises(ValueError, match="from 1 to 5"):
                nearest_neighbours(normal(2, 3), normal(5, 3), k)
        with pytest.raises(ValueError, match="from 1 to 4"):
            nearest_neighbours(normal(2, 3), normal(5, 3), 5, exclude=np.array([0, -1]))

    def test_shapes_and_values(self) -> None:
        with pytest.raises(ValueError, match="bank must have 3 columns"):
            nearest_neighbours(normal(2, 3), normal(5, 4), 1)
        with pytest.raises(ValueError, match="exclude must have shape"):
            nearest_neighbours(normal(2, 3), normal(5, 3), 1, exclude=np.array([0]))
        with pytest.raises(ValueError, match="row 1 is all zeros"):
            knn_distance(np.array([[1.0, 0.0], [0.0, 0.0]]), normal(5, 2))
        with pytest.raises(ValueError, match="bank: row 0"):
            knn_distance(normal(2, 2), np.full((3, 2), np.nan))

    def test_no_queries(self) -> None:
        assert knn_distance(np.zeros((0, 3)), normal(5, 3)).shape == (0,)
