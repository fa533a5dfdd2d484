"""Accuracy with its interval, and what is lost between two populations."""

from __future__ import annotations

import numpy as np
import pytest

from llmood.metrics import (
    UndefinedMetric,
    error_detection_metrics,
    mean_interval,
    mean_loss,
    metric_loss,
    spearman_interval,
)
from llmood.metrics.error_precision import error_average_precision
from llmood.metrics.exact import zero_rate_bound

AUROC = error_detection_metrics()[0]
BY_ID = {metric.id: metric for metric in error_detection_metrics()}


def world(n: int, separation: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of n answers, the wrong half `separation` standard deviations higher."""
    wrong = np.arange(n) % 2 == 0
    return np.random.default_rng(seed).normal(size=n) + separation * wrong, wrong


def test_the_mean_and_its_percentiles() -> None:
    found = mean_interval([1.0] * 70 + [0.0] * 30, draws=2000)
    assert found.value == 0.7
    # The normal approximation: ±1.96·√(0.7·0.3/100).
    assert (found.low, found.high) == (pytest.approx(0.61, abs=0.02), pytest.approx(0.79, abs=0.02))


def test_at_an_end_the_bound_is_that_of_so_many_groups() -> None:
    alone, grouped = mean_interval([1.0] * 20), mean_interval([1.0] * 20, groups=[n // 4 for n in range(20)])
    assert (alone.low, alone.high) == (1.0 - zero_rate_bound(20, 0.95), 1.0)
    assert (grouped.low, grouped.high) == (1.0 - zero_rate_bound(5, 0.95), 1.0)
    assert mean_interval([0.0] * 20).low == 0.0
    assert alone.method == "clopper_pearson"


def test_groups_widen_the_interval() -> None:
    values = [1.0] * 60 + [0.0] * 40
    groups = [place // 10 for place in range(100)]
    alone, grouped = mean_interval(values), mean_interval(values, groups=groups)
    assert alone.high is not None
    assert alone.low is not None
    assert grouped.high is not None
    assert grouped.low is not None
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_of_nothing_there_is_no_mean() -> None:
    with pytest.raises(UndefinedMetric):
        mean_interval([])
    with pytest.raises(UndefinedMetric):
        mean_loss([], [1.0])
    with pytest.raises(ValueError, match="second holds 1 NaN"):
        mean_loss([1.0], [np.nan, 1.0])
    assert mean_interval([0.5]).reason is not None


def test_a_loss_is_the_difference_of_the_two_values() -> None:
    first, second = world(200, 2.0, 0), world(150, 0.5, 1)
    for name in ("auroc", "prr", "aurc"):
        metric = BY_ID[name]
        found = metric_loss(metric, first, second)
        assert found.value == pytest.approx(metric(*first) - metric(*second))
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
    lost, won = metric_loss(AUROC, first, second), metric_loss(AUROC, second, first)
    assert lost.low is not None
    assert lost.low > 0  # it really is worse there
    assert won.value == pytest.approx(-lost.value)


def test_what_moves_together_loses_nothing() -> None:
    """The same answers twice, each pair one group: every draw moves both alike."""
    scores, wrong = world(80, 1.0, 2)
    groups = [*range(80), *range(80)]
    found = metric_loss(AUROC, (scores, wrong), (scores, wrong), groups=groups)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    apart = metric_loss(AUROC, (scores, wrong), (scores, wrong))
    assert apart.low is not None
    assert apart.low < 0.0
    paired = mean_loss(wrong, wrong, groups=groups)
    assert (paired.low, paired.high) == (0.0, 0.0)


def test_all_right_or_all_wrong_is_undefined_and_too_few_wrong_has_no_interval() -> None:
    good = world(40, 1.0, 0)
    with pytest.raises(UndefinedMetric):
        metric_loss(AUROC, good, (np.arange(5.0), np.zeros(5, dtype=bool)))
    single = (np.arange(30.0), np.arange(30) == 0)
    found = metric_loss(AUROC, good, single)  # its one wrong answer is in 64 % of the draws
    assert found.low is None
    assert "of 1000 resamples" in str(found.reason)


def test_the_interval_covers_the_truth() -> None:
    covered = 0
    for seed in range(100):
        found = metric_loss(
            AUROC, world(120, 0.0, 2 * seed), world(120, 0.0, 2 * seed + 1), draws=200, seed=seed
        )
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.0 <= found.high
    assert covered >= 90


def test_a_metric_that_can_t_be_counted_is_a_mistake() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="vectorised"):
        metric_loss(replace(AUROC, vectorised=None), world(10, 1.0, 0), world(10, 1.0, 1))


def test_the_average_precision_of_errors() -> None:
    # From the least sure on: wrong, right, wrong: (1/1 + 2/3) / 2.
    assert error_average_precision([3.0, 2.0, 1.0], [False, True, False]) == pytest.approx(5 / 6)
    assert error_average_precision([1.0] * 4, [True, True, True, False]) == 0.25
    assert BY_ID["aupr_wrong"]([3.0, 2.0, 1.0], np.array([True, False, True])) == pytest.approx(5 / 6)


def test_a_rank_correlation_s_interval() -> None:
    values = np.arange(60.0)
    noisy = values + np.random.default_rng(0).normal(scale=20.0, size=60)
    found = spearman_interval(values, noisy, draws=200)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert spearman_interval(values, values, draws=100).low == 1.0
    with pytest.raises(UndefinedMetric):
        spearman_interval(values, np.zeros(60))
    # A resample may hold one value only: then there is no interval, and a reason.
    rare = spearman_interval([1.0, 2.0, 3.0], [0.0, 0.0, 1.0], draws=100)
    assert (rare.low, rare.reason is not None) == (None, True)
