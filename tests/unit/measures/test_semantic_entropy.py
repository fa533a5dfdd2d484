from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.self_consistency import self_inconsistency
from llmood.measures.semantic_entropy import (
    discrete_semantic_entropy,
    monte_carlo_semantic_entropy,
    number_of_semantic_sets,
    rao_semantic_entropy,
)
from llmood.measures.sequence_entropy import length_normalised_sequence_entropy, monte_carlo_sequence_entropy

DRAWS = st.lists(st.tuples(st.integers(0, 3), st.floats(-50, 0)), min_size=1, max_size=10)


def one(clusters: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(clusters), np.array([0, len(clusters)])


class TestTruths:
    @pytest.mark.parametrize("k", [1, 2, 7])
    def test_one_cluster_has_none(self, k: int) -> None:
        clusters, offsets = one([3] * k)
        log_p = np.linspace(-9.0, -1.0, k)
        assert discrete_semantic_entropy(clusters, offsets) == 0.0
        assert rao_semantic_entropy(clusters, log_p, offsets) == 0.0
        assert self_inconsistency(clusters, offsets) == 0.0
        assert number_of_semantic_sets(clusters, offsets) == 1.0

    @pytest.mark.parametrize(("k", "each"), [(2, 1), (5, 1), (4, 3)])
    def test_equal_clusters_have_log_k(self, k: int, each: int) -> None:
        clusters, offsets = one(list(range(k)) * each)
        log_p = np.full(k * each, -2.5)
        assert discrete_semantic_entropy(clusters, offsets) == pytest.approx(math.log(k), abs=1e-12)
        assert rao_semantic_entropy(clusters, log_p, offsets) == pytest.approx(math.log(k), abs=1e-12)
        assert self_inconsistency(clusters, offsets) == pytest.approx(1 - 1 / k, abs=1e-12)
        assert number_of_semantic_sets(clusters, offsets) == k

    def test_rao_with_known_weights(self) -> None:
        # Likelihoods 0.2 and 0.1 in one cluster, 0.1 in the other: shares ¾ and ¼.
        clusters, offsets = one([0, 1, 0])
        log_p = np.log([0.2, 0.1, 0.1])
        expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
        assert rao_semantic_entropy(clusters, log_p, offsets) == pytest.approx(expected, abs=1e-12)
        # Only ratios count, and far below what a float can hold.
        assert rao_semantic_entropy(clusters, log_p - 5000.0, offsets) == pytest.approx(expected, abs=1e-12)

    def test_discrete_with_known_shares(self) -> None:
        clusters, offsets = one([0, 0, 1, 2])
        assert discrete_semantic_entropy(clusters, offsets) == pytest.approx(1.5 * math.log(2), abs=1e-12)
        assert self_inconsistency(clusters, offsets) == 0.5

    def test_monte_carlo_over_clusters_and_over_draws(self) -> None:
        # Cluster 0 holds sequences of 0.3 and 0.1, the first drawn twice; cluster 1 one of 0.2.
        clusters, offsets = one([0, 0, 0, 1])
        log_p, sequences = np.log([0.3, 0.3, 0.1, 0.2]), np.array([7, 7, 8, 9])
        first, second = math.log(0.4), math.log(0.2)
        found = monte_carlo_semantic_entropy(clusters, log_p, offsets, sequences)
        assert found == pytest.approx(-(first + second) / 2, abs=1e-12)
        found = monte_carlo_semantic_entropy(clusters, log_p, offsets, sequences, over="draws")
        assert found == pytest.approx(-(3 * first + second) / 4, abs=1e-12)
        # As published code counts: 0.3 twice.
        found = monte_carlo_semantic_entropy(clusters, log_p, offsets, None)
        assert found == pytest.approx(-(math.log(0.7) + second) / 2, abs=1e-12)

    def test_a_cluster_s_probability_never_exceeds_1(self) -> None:
        clusters, offsets = one([0] * 10)
        log_p = np.full(10, math.log(0.9))
        found = monte_carlo_semantic_entropy(clusters, log_p, offsets, np.zeros(10, dtype=int))
        assert found == pytest.approx(-math.log(0.9), abs=1e-12)
        assert monte_carlo_semantic_entropy(clusters, log_p, offsets, None) < -2

    def test_where_all_clusters_are_single_it_is_the_sequence_entropy(self) -> None:
        clusters, offsets = one([0, 1, 2])
        log_p = np.array([-1.0, -4.0, -2.0])
        expected = monte_carlo_sequence_entropy(log_p, offsets)
        for over in ("clusters", "draws"):
            found = monte_carlo_semantic_entropy(clusters, log_p, offsets, np.arange(3), over=over)  # type: ignore[arg-type]
            assert found == pytest.approx(expected, abs=1e-12)
        assert expected == pytest.approx(7 / 3, abs=1e-15)


class TestManyQuestions:
    CLUSTERS = np.array([0, 0, 1, 5, 0, 1, 1])
    OFFSETS = np.array([0, 3, 3, 4, 7])
    LOG_P = np.array([-1.0, -2.0, -1.5, -3.0, -0.5, -0.7, -2.2])

    def test_side_by_side_equals_each_alone(self) -> None:
        for function in (
            lambda c, p, o: discrete_semantic_entropy(c, o),
            rao_semantic_entropy,
            lambda c, p, o: monte_carlo_semantic_entropy(c, p, o, np.arange(len(c))),
            lambda c, p, o: number_of_semantic_sets(c, o),
            lambda c, p, o: self_inconsistency(c, o),
            lambda c, p, o: monte_carlo_sequence_entropy(p, o),
        ):
            together = function(self.CLUSTERS, self.LOG_P, self.OFFSETS)
            for question, (start, end) in enumerate(zip(self.OFFSETS, self.OFFSETS[1:], strict=False)):
                alone = function(self.CLUSTERS[start:end], self.LOG_P[start:end], np.array([0, end - start]))
                np.testing.assert_allclose(together[question], alone[0], rtol=1e-12)
            # The second has no draws.
            assert np.isnan(together).tolist() == [False, True, False, False]

    def test_a_slice_of_a_larger_column(self) -> None:
        offsets = self.OFFSETS[2:]
        np.testing.assert_array_equal(
            discrete_semantic_entropy(self.CLUSTERS, offsets),
            discrete_semantic_entropy(self.CLUSTERS, self.OFFSETS)[2:],
        )
        np.testing.assert_allclose(
            length_normalised_sequence_entropy(self.LOG_P, np.full(7, 2), offsets),
            monte_carlo_sequence_entropy(self.LOG_P, offsets) / 2,
        )

    def test_no_questions(self) -> None:
        none = np.zeros(0)
        assert discrete_semantic_entropy(none.astype(int), np.array([0])).shape == (0,)
        assert rao_semantic_entropy(none.astype(int), none, np.array([0])).shape == (0,)

    def test_offsets_that_fall(self) -> None:
        with pytest.raises(ValueError, match="offsets must rise"):
            discrete_semantic_entropy(self.CLUSTERS, np.array([0, 4, 2]))
        with pytest.raises(ValueError, match="at most 7"):
            rao_semantic_entropy(self.CLUSTERS, self.LOG_P, np.array([0, 8]))


@given(DRAWS, st.data())
def test_the_order_of_draws_and_the_names_of_clusters_change_nothing(
    draws: list[tuple[int, float]], choice: st.DataObject
) -> None:
    shuffled = choice.draw(st.permutations(draws))
    renamed = {0: 3, 1: 11, 2: 0, 3: 1}
    offsets = np.array([0, len(draws)])

    def values(rows: list[tuple[int, float]]) -> list[float]:
        clusters, log_p = (np.array(column) for column in zip(*rows, strict=True))
        found = [
            discrete_semantic_entropy(clusters, offsets),
            rao_semantic_entropy(clusters, log_p, offsets),
            monte_carlo_semantic_entropy(clusters, log_p, offsets, np.arange(len(rows))),
            self_inconsistency(clusters, offsets),
            number_of_semantic_sets(clusters, offsets),
        ]
        return [float(each[0]) for each in found]

    assert values([(renamed[c], p) for c, p in shuffled]) == pytest.approx(values(draws), abs=1e-9)


@given(DRAWS)
def test_bounds(draws: list[tuple[int, float]]) -> None:
    clusters, log_p = (np.array(column) for column in zip(*draws, strict=True))
    offsets, k = np.array([0, len(draws)]), len(draws)
    kinds = len(set(clusters.tolist()))
    for found in (
        discrete_semantic_entropy(clusters, offsets),
        rao_semantic_entropy(clusters, log_p, offsets),
    ):
        assert 0.0 <= found[0] <= math.log(kinds) + 1e-12
    assert 0.0 <= self_inconsistency(clusters, offsets)[0] <= 1 - 1 / k
    # Meaning has no more entropy than wording.
    wording = discrete_semantic_entropy(np.arange(k), offsets)
    assert discrete_semantic_entropy(clusters, offsets)[0] <= wording[0] + 1e-12


class TestDegenerate:
    def test_likelihoods_of_zero(self) -> None:
        clusters, offsets = one([0, 1])
        assert rao_semantic_entropy(clusters, np.array([-1.0, -np.inf]), offsets) == 0.0
        assert np.isnan(rao_semantic_entropy(clusters, np.array([-np.inf, -np.inf]), offsets))[0]
        found = monte_carlo_semantic_entropy(clusters, np.array([-1.0, -np.inf]), offsets, np.arange(2))
        assert np.isposinf(found)[0]

    def test_a_draw_without_log_probabilities_leaves_its_question_undefined(self) -> None:
        clusters, offsets = np.array([0, 1, 0, 0]), np.array([0, 2, 4])
        log_p = np.array([-1.0, np.nan, -1.0, -2.0])
        assert np.isnan(rao_semantic_entropy(clusters, log_p, offsets)).tolist() == [True, False]
        assert np.isnan(monte_carlo_sequence_entropy(log_p, offsets)).tolist() == [True, False]

    def test_length_normalised(self) -> None:
        # −(−6/3 − 4/4)/2; the empty draw is no part of it.
        log_p, tokens = np.array([-6.0, -4.0, 0.0]), np.array([3, 4, 0])
        assert length_normalised_sequence_entropy(log_p, tokens, np.array([0, 3])) == 1.5
        assert np.isnan(length_normalised_sequence_entropy(np.zeros(1), np.zeros(1, int), np.array([0, 1])))[
            0
        ]


def test_the_same_counts_are_the_same_score_to_the_last_bit() -> None:
    orders = list(itertools.permutations((7, 2, 1)))
    clusters = np.concatenate([np.repeat(np.arange(3), counts) for counts in orders])
    found = discrete_semantic_entropy(clusters, np.arange(len(orders) + 1) * 10)
    assert len(set(found.tolist())) == 1
