"""Who is best: one scorer that left samples out takes nothing from the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from llmood.config import BootstrapConfig
from llmood.questions.ood_detection import ALONE, BEHIND_BEST, TOO_FEW, ood_detection
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord

N_ID, N_OOD = 20, 10
RISING = np.arange(N_ID + N_OOD, dtype=float)  # separates perfectly
MIXED = np.concatenate([np.arange(N_ID), np.arange(N_OOD) + 5.0])


def without(values: Floats, start: int, count: int) -> Floats:
    """The scores with `count` of them missing from row `start` on."""
    left = values.copy()
    left[start : start + count] = np.nan
    return left


def behind(scores: Mapping[str, Floats], groups: list[str] | None = None) -> dict[str, MetricRecord]:
    scored = ScoredBenchmark(
        "b",
        Population("home", "none", None, np.arange(N_ID)),
        (Population("away", "near", None, np.arange(N_ID, N_ID + N_OOD)),),
        {**scores, "random": RISING},
        np.array(groups or [f"g{row}" for row in range(N_ID + N_OOD)]),
    )
    records = ood_detection(scored, BootstrapConfig(draws=100), seed=0)
    return {str(record.scorer): record for record in records if record.metric == BEHIND_BEST}


@pytest.mark.parametrize(
    "broken",
    [
        without(RISING, 0, N_ID),
        without(RISING, 0, 3),
        without(RISING, N_ID, 2),
        np.full(N_ID + N_OOD, np.nan),
    ],
    ids=["no ID", "85 % of ID", "80 % of OOD", "nothing"],
)
def test_a_scorer_that_left_many_out_is_not_compared(broken: Floats) -> None:
    whole = behind({"good": RISING, "fair": MIXED})
    found = behind({"good": RISING, "fair": MIXED, "broken": broken})
    assert (found["broken"].value, found["broken"].reason, found["broken"].params) == (None, TOO_FEW, {})
    assert found["broken"].n_unscored == np.isnan(broken).sum()
    assert {name: found[name] for name in whole} == whole
    assert whole["good"].params["best"] == whole["fair"].params["best"] == "good"


def test_a_few_left_out_are_left_out_for_all() -> None:
    # 2 of 20 and 1 of 10: 90 % of each is still there.
    found = behind({"good": without(RISING, 0, 2), "fair": without(MIXED, N_ID, 1)})
    for record in found.values():
        assert (record.n, record.n_negative, record.n_positive, record.n_unscored) == (27, 18, 9, 3)
        assert record.value is not None
        assert record.params["best"] == "good"


def test_one_that_is_left_alone_is_compared_with_nobody() -> None:
    found = behind({"good": RISING, "broken": without(RISING, 0, N_ID)})
    assert {name: (record.value, record.reason) for name, record in found.items()} == {
        "good": (None, ALONE),
        "broken": (None, TOO_FEW),
    }


def test_what_cannot_be_resampled_says_so() -> None:
    # All of ID in one group: there is nothing to draw from.
    groups = ["one"] * N_ID + [f"g{row}" for row in range(N_OOD)]
    found = behind({"good": RISING, "fair": MIXED}, groups)
    assert [record.value for record in found.values()] == [None, None]
    assert all(record.reason for record in found.values())


def test_baselines_and_a_single_scorer_are_not_compared() -> None:
    assert behind({"good": RISING}) == {}
