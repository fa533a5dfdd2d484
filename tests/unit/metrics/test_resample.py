"""Resamples: which samples move together, and that chunks and seeds do what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmood.metrics import Resamples, resample_weights


def test_populations_keep_their_sizes() -> None:
    is_ood = np.array([True] * 3 + [False] * 7)
    weights = resample_weights(is_ood, draws=50)
    assert weights.shape == (50, 10)
    assert (weights[:, is_ood].sum(axis=1) == 3).all()
    assert (weights[:, ~is_ood].sum(axis=1) == 7).all()


def test_every_sample_is_drawn_once_on_average() -> None:
    weights = resample_weights([True] * 4 + [False] * 6, draws=4000)
    # A weight is binomial(n, 1/n): variance below 1, so the mean of 4000 has an error below 0.016.
    assert np.abs(weights.mean(axis=0) - 1).max() < 0.08
    # Variance n·(1/n)·(1 − 1/n) = 1 − 1/n.
    assert weights[:, 0].var() == pytest.approx(3 / 4, abs=0.1)


def test_samples_of_a_group_move_together() -> None:
    groups = ["a", None, "b", "a", "b", None]
    weights = resample_weights([False, False, False, False, True, True], groups, draws=200)
    assert (weights[:, 0] == weights[:, 3]).all()
    # "b" spans both populations and is drawn jointly; alone in its stratum it is in every draw once.
    assert (weights[:, 2] == weights[:, 4]).all()
    assert (weights[:, 2] == 1).all()
    # The samples without a group are not one group.
    assert (weights[:, 1] != weights[:, 0]).any()
    assert (weights[:, [0, 1]].sum(axis=1) == 2).all()


def test_groups_that_span_both_populations_are_drawn_jointly() -> None:
    weights = resample_weights([True, False] * 6, [row // 2 for row in range(12)], draws=100)
    assert (weights[:, ::2] == weights[:, 1::2]).all()
    assert (weights[:, ::2].sum(axis=1) == 6).all()


def test_no_draw_loses_a_population() -> None:
    # Of 20 groups one spans both populations and none is pure OOD: drawn freely, a third of draws lost it.
    is_ood = [True] + [False] * 20
    weights = resample_weights(is_ood, ["both", "both", *range(19)], draws=500)
    assert (weights[:, 0] >= 1).all()


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_chunks_change_nothing(size: int) -> None:
    resamples = Resamples([True] * 5 + [False] * 8, [0, 0, 1, 2, 1, *"abcdefgh"], draws=20, seed=3)
    chunks = list(resamples.chunks(size))
    assert max(len(chunk) for chunk in chunks) == min(size, 20)
    np.testing.assert_array_equal(np.concatenate(chunks), np.concatenate(list(resamples.chunks())))


def test_the_seed_decides() -> None:
    is_ood = [True] * 10 + [False] * 10
    np.testing.assert_array_equal(resample_weights(is_ood, seed=1), resample_weights(is_ood, seed=1))
    assert (resample_weights(is_ood, seed=1) != resample_weights(is_ood, seed=2)).any()


def test_counts_groups() -> None:
    resamples = Resamples([True, True, False, False, False], ["a", "a", "a", "b", None])
    assert resamples.groups == (3, 1)


@pytest.mark.parametrize(
    ("groups", "draws", "message"),
    [
        (["a"], 10, "1 groups for 2 samples"),
        (["a", math.nan], 10, "groups holds NaN"),
        (None, 0, "draws must be at least 1"),
    ],
)
def test_malformed_input(groups: list[str | float] | None, draws: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Resamples([True, False], groups, draws=draws)
