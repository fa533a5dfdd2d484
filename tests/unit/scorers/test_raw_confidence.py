"""Which scores stand for a probability of being right, and for which one."""

from __future__ import annotations

import numpy as np
import pytest

from llmood.scorers.base import scorers
from llmood.scorers.on_adapter import OnAdapter
from llmood.scorers.raw_confidence import raw_confidence

KINDS = {
    "likelihood.response_given_prompt": "negative_log",
    "msp.labels": "complement",
    "msp.labels.tempered": "complement",
    "p_true": "complement",
    "p_true.few_shot": "complement",
    "p_true.sampled": "complement",
    "self_consistency.answer": "complement",
    "sequence_probability": "negative_log",
    "verbalised_confidence": "complement",
}


def test_these_do_and_no_others() -> None:
    found = {name: entry.make().probability for name, entry in scorers}
    assert {name: kind for name, kind in found.items() if kind} == KINDS


def test_by_hand() -> None:
    scores = np.array([0.0, np.log(2.0), np.inf, np.nan])
    found = raw_confidence(scorers.get("sequence_probability").make().probability, scores)
    np.testing.assert_allclose(found, [1.0, 0.5, 0.0, np.nan])
    found = raw_confidence(scorers.get("p_true").make().probability, np.array([0.0, 0.25, 1.0, np.nan]))
    np.testing.assert_allclose(found, [1.0, 0.75, 0.0, np.nan])


@pytest.mark.parametrize("name", ["sequence_probability.mean", "knn", "msp", "verbalised_confidence.top_k"])
def test_a_score_that_stands_for_none_has_none(name: str) -> None:
    assert raw_confidence(scorers.get(name).make().probability, np.array([0.5])) is None


@pytest.mark.parametrize("name", ["sequence_probability", "verbalised_confidence"])
def test_another_adapter_changes_nothing(name: str) -> None:
    scorer = scorers.get(name).make()
    assert OnAdapter(scorer=scorer, role="tuned:1").probability == scorer.probability


def test_rounding_is_forgiven_and_nothing_else() -> None:
    plain, log = scorers.get("p_true").make(), scorers.get("sequence_probability").make()
    assert raw_confidence(plain.probability, np.array([-1e-9, 1 + 1e-9])).tolist() == [1.0, 0.0]  # type: ignore[union-attr]
    assert raw_confidence(log.probability, np.array([-1e-9])).tolist() == [1.0]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="no probabilities"):
        raw_confidence(plain.probability, np.array([0.5, 1.5]))
    with pytest.raises(ValueError, match="no probability"):
        raw_confidence(log.probability, np.array([-0.1]))


@pytest.mark.parametrize("name", ["p_true", "sequence_probability"])
def test_of_no_rows_there_are_no_confidences(name: str) -> None:
    found = raw_confidence(scorers.get(name).make().probability, np.array([]))
    assert found is not None
    assert found.tolist() == []
