"""The threshold that tells wrong from right answers best, chosen on `validation` alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from llmood.engines.captures import comparison_of
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.judging.equivalence.embeddings import Embeddings
from llmood.judging.equivalence.threshold import GRID, Threshold, best_threshold, choose_threshold, chosen_by
from llmood.records import CaptureSpec
from llmood.tables import SAMPLES
from tests.answering import Said, observed

DRAWN = {"n": 2, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 64, "top": 0, "seed": 0}
RULE = {"rule": "embedding", "threshold": "validation", "question": False}
COMPARISON = comparison_of("openers", RULE, DRAWN)
ANGLES = {"a": 0.0, "b": np.arccos(0.72), "c": np.arccos(0.62)}


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    angles = [ANGLES[text] for text in texts]
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def chosen(rows: Sequence[tuple[str, str, bool, str]]) -> Threshold:
    """Of (two draws, whether the answer is right, split) a row."""
    said = [(None, (Said(first), Said(second))) for first, second, _, _ in rows]
    needs = [CaptureSpec.of("generations", "tuned", "prompt", **DRAWN)]
    found = observed(said, needs)
    samples = [
        row | {"split": split} for row, (*_, split) in zip(found.samples.to_pylist(), rows, strict=True)
    ]
    table = pa.Table.from_pylist(samples, schema=SAMPLES)
    verdicts = {row["sample_id"]: right for row, (_, _, right, _) in zip(samples, rows, strict=True)}
    here = Observations(table, found._index, Store())
    return choose_threshold(COMPARISON, here, verdicts, Embeddings(embed, {"engine": "test"}, Store()))


# Draws "a" and "b" (cosine 0.72) go with right answers, "a" and "c" (0.62) with wrong ones: 0.65 and 0.7 tell them.
APART = [("a", "b", True, "validation")] * 3 + [("a", "c", False, "validation")] * 2


def test_of_equals_the_one_nearest_to_the_usual() -> None:
    assert best_threshold({0.5: 0.9, 0.7: 0.9, 0.95: 0.9, 0.8: 0.5}) == 0.7
    assert best_threshold({0.75: 0.9, 0.85: 0.9 + 1e-16, 0.8: 0.5}) == 0.75
    assert best_threshold({0.85: 0.6, 0.75: 0.6}) == 0.75
    assert best_threshold(dict.fromkeys(GRID, 0.5)) == 0.8
    assert 0.8 in GRID


def test_it_tells_wrong_from_right(fresh_cache: object) -> None:
    found = chosen(APART)
    assert (found.value, found.right, found.wrong) == (0.7, 3, 2)
    assert {name: found.auroc[name] for name in ("0.6", "0.65", "0.7", "0.75")} == {
        "0.6": 0.5,
        "0.65": 1.0,
        "0.7": 1.0,
        "0.75": 0.5,
    }


def test_what_is_measured_decides_nothing(fresh_cache: object) -> None:
    others = [("a", "b", False, "test")] * 9 + [("a", "c", True, "test")] * 9
    assert chosen([*APART, *others]) == chosen(APART)


def test_one_kind_of_answers_chooses_nothing(fresh_cache: object) -> None:
    rows = [*APART[:3], ("a", "c", False, "test")]
    with pytest.raises(ConfigError, match="3 are right and 0 wrong") as caught:
        chosen(rows)
    assert "threshold: 0.8" in str(caught.value.hint)


def test_it_takes_draws_to_choose_by() -> None:
    assert chosen_by([COMPARISON]) == COMPARISON
    number = comparison_of("openers", {**RULE, "threshold": 0.7}, DRAWN)
    assert chosen_by([number]) is None
    tokens = comparison_of("answer_tokens", RULE, response={"max_new_tokens": 5})
    with pytest.raises(ConfigError, match="no scorer compares any"):
        chosen_by([tokens])
