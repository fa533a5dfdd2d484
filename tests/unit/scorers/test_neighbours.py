"""Which train samples a scorer finds nearest: the same that its score measures to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmood.engines.observations import Block, Observations
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.neighbours import NOBODY, HasNeighbours
from llmood.scorers.on_adapter import OnAdapter
from tests.unit.scorers.test_representation import SPLITS, observed, world
from tests.unit.scorers.test_representation import make as make_of_states
from tests.unit.scorers.test_text_baselines import FAR, NEAR, TRAIN, table_of, train_of


def block_of(*texts: str | None) -> Block:
    samples = table_of(texts, "test")
    return Block(np.arange(len(texts)), samples, {})


def fitted(**arguments: Any) -> Scorer:
    return scorers.get("tfidf_knn").make(arguments).fit(train_of(TRAIN))


def states(scorer: Scorer) -> tuple[Observations, np.ndarray[Any, Any]]:
    values, labels, _ = world()
    rows = observed(values, labels, scorer)
    scorer.fit(rows.of("train"))
    return rows, values


def test_what_has_no_bank_has_no_neighbours() -> None:
    assert not isinstance(scorers.get("likelihood").make(), HasNeighbours)
    assert not isinstance(make_of_states("mahalanobis"), HasNeighbours)
    knn = make_of_states("knn")
    states(knn)
    assert isinstance(knn, HasNeighbours)
    assert isinstance(fitted(), HasNeighbours)
    assert not isinstance(OnAdapter(scorer=knn, role="tuned:1"), HasNeighbours)


def test_texts_nearest_first_and_as_far_as_the_score_says() -> None:
    scorer = fitted(k=3)
    block = block_of(NEAR, TRAIN[4], " ", FAR, None)
    found = scorer.neighbours(block, 3)  # type: ignore[attr-defined]
    assert found.indices.shape == found.distances.shape == (5, 3)
    names = [scorer.bank_ids_[place] for place in found.indices[:, 0]]  # type: ignore[attr-defined]
    assert names[:2] == ["train2", "train4"]  # "how much money is in my savings account", and itself
    assert found.distances[1, 0] == pytest.approx(0.0, abs=1e-12)
    for row in (2, 4):  # blank, and without text
        assert (found.indices[row] == NOBODY).all()
        assert np.isnan(found.distances[row]).all()
    told = found.distances[[0, 1, 3]]
    assert (np.diff(told, axis=1) >= 0).all()
    np.testing.assert_array_equal(found.distances[:, -1], scorer.score(block).values)


def test_a_text_of_several_samples_is_that_of_one_of_them() -> None:
    scorer = scorers.get("tfidf_knn").make({}).fit(train_of([*TRAIN, *TRAIN]))
    place = scorer.neighbours(block_of(TRAIN[0]), 1).indices[0, 0]  # type: ignore[attr-defined]
    assert scorer.bank_ids_[place] in ("train0", f"train{len(TRAIN)}")  # type: ignore[attr-defined]


def test_a_bank_smaller_than_k_leaves_the_rest_empty() -> None:
    found = fitted().neighbours(block_of(NEAR), len(TRAIN) + 2)  # type: ignore[attr-defined]
    assert (found.indices[0, : len(TRAIN)] >= 0).all()
    assert (found.indices[0, len(TRAIN) :] == NOBODY).all()
    assert np.isnan(found.distances[0, len(TRAIN) :]).all()


def test_no_train_text_is_nobody() -> None:
    scorer = scorers.get("tfidf_knn").make({}).fit(train_of([" ", None]))
    assert scorer.neighbours(block_of(NEAR), 1).indices.tolist() == [[NOBODY]]  # type: ignore[attr-defined]


def test_states_are_found_as_by_cosine() -> None:
    scorer = make_of_states("knn", k=2, layer=0)
    rows, values = states(scorer)
    ids = rows.samples["sample_id"].to_pylist()
    bank = np.flatnonzero(SPLITS == "train")
    unit = values[:, 0] / np.linalg.norm(values[:, 0], axis=1, keepdims=True)
    seen = 0
    for block in rows.of("test").blocks(scorer.needs):
        found = scorer.neighbours(block, 2)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(found.distances[:, 1], scorer.score(block).values)
        for sample_id, place in zip(block.samples["sample_id"].to_pylist(), found.indices[:, 0], strict=True):
            expected = bank[(unit[bank] @ unit[ids.index(sample_id)]).argmax()]
            assert scorer.bank_ids_[place] == ids[expected]  # type: ignore[attr-defined]
            seen += 1
    assert seen == (SPLITS == "test").sum()


def test_rows_without_a_direction_have_none_and_are_no_neighbour() -> None:
    values, labels, _ = world()
    values[0] = 0.0  # of train
    test = int(np.flatnonzero(SPLITS == "test")[0])
    values[test] = 0.0
    scorer = make_of_states("knn")
    rows = observed(values, labels, scorer)
    scorer.fit(rows.of("train"))
    ids = rows.samples["sample_id"].to_pylist()
    assert ids[0] not in scorer.bank_ids_  # type: ignore[attr-defined]
    assert len(scorer.bank_ids_) == len(scorer.bank_) == (SPLITS == "train").sum() - 1  # type: ignore[attr-defined]
    only = next(iter(rows.only([ids[test]]).blocks(scorer.needs)))
    assert scorer.neighbours(only, 1).indices.tolist() == [[NOBODY]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("scale", [1.0, 1e-33, 1e30])
def test_a_row_of_train_is_at_exactly_0_from_itself(scale: float) -> None:
    values, labels, _ = world()
    values = (values * scale).astype(np.float32)
    train, test = (np.flatnonzero(split == SPLITS) for split in ("train", "test"))
    values[test] = values[train[np.arange(len(test)) % len(train)]]
    scorer = make_of_states("knn")
    rows = observed(values, labels, scorer)
    scorer.fit(rows.of("train"))
    for block in rows.of("test").blocks(scorer.needs):
        assert scorer.score(block).values.tolist() == [0.0] * len(block)
