"""Thirds by hand, and the gap between two slices: its value, its pairing, and where there is no interval."""

from __future__ import annotations

import numpy as np
import pytest

from llmood.metrics import UndefinedMetric, auroc, auroc_gap_interval, resample_weights, thirds


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([7], [1]),
        ([5, 1, 3], [2, 0, 1]),
        # F is 1/8, 3/8, 5/8 and 7/8: the middle takes what can't be shared evenly.
        ([1, 2, 3, 4], [0, 1, 1, 2]),
        # F = .1, .3, .5, .7, .9: only the first two are below a third, only the last two above two.
        ([1, 2, 3, 4, 5], [0, 0, 1, 2, 2]),
        # The tie lies where the first third ends: F = 1/12, then (1 + 3)/12 = 1/3, which is not below it.
        ([1, 2, 2, 4, 5, 6], [0, 1, 1, 1, 2, 2]),
        # All but one alike: F = 9/20 for the nine, 19/20 for the one.
        ([0] * 9 + [1], [1] * 9 + [2]),
        ([3, 3, 3, 3], [1, 1, 1, 1]),
        ([np.inf, 0.0, -np.inf], [2, 1, 0]),
    ],
)
def test_thirds_by_hand(values: list[float], expected: list[int]) -> None:
    assert thirds(values).tolist() == expected


def test_a_tie_on_an_edge_stays_together_in_any_order() -> None:
    values = np.array([1.0, 2.0, 2.0, 2.0, 5.0, 6.0])
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(len(values))
        assert thirds(values[order]).tolist() == thirds(values)[order].tolist()


def test_thirds_take_no_nan() -> None:
    with pytest.raises(ValueError, match="NaN"):
        thirds([1.0, np.nan])


def test_the_gap_by_hand() -> None:
    # Familiar: 2 beats 1 and ties with 2, 4 beats all: 4.5 of 6 pairs. Unfamiliar: both beat all.
    found = auroc_gap_interval([1, 2, 3], [2, 4], [4, 4])
    assert found.value == 1.0 - 0.75
    assert (found.low, found.high, found.method, found.draws) == (None, None, None, 0)
    assert found.reason is not None
    assert "3 independent groups" in found.reason


def test_the_interval_is_of_both_slices_in_the_same_draws() -> None:
    rng = np.random.default_rng(1)
    ids, low, high = rng.normal(size=30), rng.normal(0.5, size=12), rng.normal(1.0, size=14)
    groups = [f"g{row // 2}" for row in range(30)] + [None] * 12 + [f"g{row}" for row in range(14)]
    found = auroc_gap_interval(ids, low, high, groups=groups, draws=200, level=0.9, seed=3)
    scores = np.concatenate([ids, low, high])
    part = np.repeat([0, 1, 2], [30, 12, 14])
    drawn = []
    for weights in resample_weights(part > 0, groups, draws=200, seed=3):
        rows = np.repeat(np.arange(len(part)), weights)
        of_slices = []
        for own in (1, 2):
            kept = rows[(part[rows] == 0) | (part[rows] == own)]
            of_slices.append(auroc(scores[kept], part[kept] == own))
        drawn.append(of_slices[1] - of_slices[0])
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.05, 0.95]))
    assert found.value == pytest.approx(
        auroc(np.append(ids, high), np.repeat([False, True], [30, 14]))
        - auroc(np.append(ids, low), np.repeat([False, True], [30, 12]))
    )
    assert (found.method, found.draws) == ("percentile", 200)


def test_a_perfect_slice_is_not_taken_for_certain() -> None:
    """Resampling shows no spread of an AUROC of 1: the rule of three does, so that 0.05 less is no clear gap."""
    ids = np.arange(40.0)
    familiar, unfamiliar = np.full(12, 37.5), np.full(12, 100.0)
    found = auroc_gap_interval(ids, familiar, unfamiliar, draws=200)
    assert found.value == pytest.approx(1 - 38 / 40)
    assert found.method == "rule_of_three"
    assert found.low is not None
    assert found.low < 0
    same = auroc_gap_interval(ids, unfamiliar, unfamiliar, draws=200)
    assert (same.value, same.method) == (0.0, "rule_of_three")
    assert same.low is not None
    assert same.high is not None
    assert same.low < 0 < same.high


def test_a_slice_of_few_groups_has_no_interval() -> None:
    rng = np.random.default_rng(2)
    ids, low, high = rng.normal(size=30), rng.normal(size=20), rng.normal(size=20)
    alone = auroc_gap_interval(ids, low, high, draws=100)
    assert alone.low is not None
    groups = [None] * 50 + [f"document {row % 9}" for row in range(20)]
    grouped = auroc_gap_interval(ids, low, high, groups=groups, draws=100)
    assert grouped.value == alone.value
    assert grouped.low is None
    assert grouped.reason == (
        "the unfamiliar samples are of 9 independent groups: under 10, too few to resample"
    )


@pytest.mark.parametrize(("empty", "words"), [(0, "no ID"), (1, "no familiar OOD"), (2, "no unfamiliar OOD")])
def test_without_a_side_there_is_no_gap(empty: int, words: str) -> None:
    sides = [[1.0, 2.0], [1.0], [2.0]]
    sides[empty] = []
    with pytest.raises(UndefinedMetric, match=words):
        auroc_gap_interval(*sides)
