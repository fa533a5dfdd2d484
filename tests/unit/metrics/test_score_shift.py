"""How far a score moves: by hand, against a slow implementation, and what it doesn't depend on."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.metrics import UndefinedMetric, resample_weights, score_shift, score_shift_interval

FINITE = st.floats(-100, 100, allow_nan=False, width=32)


def test_by_hand() -> None:
    # ID 1, 2, 3: mean 2, standard deviation 1. Shifted 4, 5: mean 4.5.
    assert score_shift([1, 2, 3], [4, 5]) == 2.5
    # Their parents scored 3 and 1: moved by 1 and 4.
    assert score_shift([1, 2, 3], [4, 5], [3, 1]) == 2.5
    assert score_shift([1, 2, 3], [4, 5], [3, 3]) == 1.5
    assert score_shift([2, 4, 6], [0], [2]) == -1.0


@given(
    st.lists(FINITE, min_size=2, max_size=20), st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20)
)
def test_against_the_standard_library(id_scores: list[float], pairs: list[tuple[float, float]]) -> None:
    spread = statistics.stdev(id_scores)
    if spread < 1e-3:
        return
    shifted, parents = [one for one, _ in pairs], [two for _, two in pairs]
    unpaired = (statistics.fmean(shifted) - statistics.fmean(id_scores)) / spread
    paired = statistics.fmean(one - two for one, two in pairs) / spread
    assert score_shift(id_scores, shifted) == pytest.approx(unpaired, abs=1e-6)
    assert score_shift(id_scores, shifted, parents) == pytest.approx(paired, abs=1e-6)


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_is_that_of_resampled_samples(paired: bool) -> None:
    generator = np.random.default_rng(0)
    id_scores, shifted = generator.normal(size=12), generator.normal(1, 1, size=12)
    parents = id_scores if paired else None
    groups = [f"g{row}" for row in range(12)] * 2 if paired else None
    found = score_shift_interval(id_scores, shifted, parents, groups=groups, draws=200, level=0.9, seed=4)
    # The same draws, written out: every resample is a list of samples.
    drawn = []
    for weights in resample_weights(np.repeat([False, True], 12), groups, draws=200, seed=4):
        rows, moved = np.repeat(np.arange(12), weights[:12]), np.repeat(np.arange(12), weights[12:])
        drawn.append(score_shift(id_scores[rows], shifted[moved], id_scores[moved] if paired else None))
    low, high = np.quantile(drawn, [0.05, 0.95])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.value == score_shift(id_scores, shifted, parents)
    assert (found.method, found.draws, found.level) == ("percentile", 200, 0.9)


def test_pairs_that_all_move_alike_leave_only_the_spread_uncertain() -> None:
    id_scores = np.arange(30.0)
    groups = [f"g{row}" for row in range(30)] * 2
    still = score_shift_interval(id_scores, id_scores, id_scores, groups=groups, draws=100)
    assert (still.value, still.low, still.high) == (0.0, 0.0, 0.0)
    moved = score_shift_interval(id_scores, id_scores + 3, id_scores, groups=groups, draws=100)
    apart = score_shift_interval(id_scores, id_scores + 3, draws=100)
    assert moved.value == pytest.approx(apart.value)
    assert None not in (moved.low, moved.high, apart.low, apart.high)
    assert 0 < moved.high - moved.low < apart.high - apart.low  # type: ignore[operator]


@pytest.mark.parametrize(
    ("id_scores", "shifted", "reason"),
    [
        ([1.0], [2.0], "fewer than two ID samples"),
        ([1.0, 2.0], [], "no shifted samples"),
        ([1.0, np.inf], [2.0], "infinite"),
        ([1.0, 2.0], [-np.inf], "infinite"),
        ([0.1] * 7, [2.0], "all ID scores are the same"),
    ],
)
def test_undefined_says_why(id_scores: list[float], shifted: list[float], reason: str) -> None:
    with pytest.raises(UndefinedMetric, match=reason):
        score_shift(id_scores, shifted)
    with pytest.raises(UndefinedMetric, match=reason):
        score_shift_interval(id_scores, shifted)


def test_resamples_without_a_spread_are_counted() -> None:
    # Of two ID samples half of all resamples take one twice.
    with pytest.raises(UndefinedMetric, match=r"undefined in \d+ of 100 resamples"):
        score_shift_interval([0.1, 0.2], [1.0, 2.0], draws=100)


def test_one_group_cannot_be_resampled() -> None:
    found = score_shift_interval([1.0, 2.0, 3.0], [4.0, 5.0], groups=["a", "a", "a", "b", "c"])
    assert (found.value, found.low, found.high) == (2.5, None, None)
    assert "too few independent groups" in str(found.reason)


def test_wrong_input_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="NaN"):
        score_shift([1.0, np.nan], [2.0])
    with pytest.raises(ValueError, match="differ in shape"):
        score_shift([1.0, 2.0], [2.0], [1.0, 2.0])
