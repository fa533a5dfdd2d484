"""Intervals: which method applies, and what theory says at the ends of a range."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats

from llmood.metrics import (
    Interval,
    UndefinedMetric,
    auroc,
    bootstrap_interval,
    bootstrap_intervals,
    metrics_registry,
    resolve_metric,
)
from llmood.metrics.exact import perfect_precision_bound, rule_of_three, zero_rate_bound
from llmood.metrics.inputs import BoolArray, FloatArray

OOD_METRICS = [name for name, metric in metrics_registry if metric.question == "ood_detection"]


def normals(seed: int, n_id: int, n_ood: int, shift: float = 1.0) -> tuple[FloatArray, BoolArray]:
    generator = np.random.default_rng(seed)
    is_ood = np.r_[np.zeros(n_id, dtype=bool), np.ones(n_ood, dtype=bool)]
    return generator.normal(size=n_id + n_ood) + shift * is_ood, is_ood


def width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


class TestPercentile:
    def test_agrees_with_the_normal_approximation(self) -> None:
        scores, is_ood = normals(0, 400, 300)
        interval = bootstrap_interval("auroc", scores, is_ood)
        assert interval.value == auroc(scores, is_ood)
        assert (interval.method, interval.level, interval.draws) == ("percentile", 0.95, 1000)
        # Hanley and McNeil's standard error.
        a = interval.value
        q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
        variance = (a * (1 - a) + 299 * (q1 - a * a) + 399 * (q2 - a * a)) / (300 * 400)
        assert width(interval) == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.15)

    def test_covers_the_truth_about_as_often_as_it_says(self) -> None:
        # Two normals a standard deviation apart: AUROC = Φ(1/√2).
        truth = NormalDist().cdf(1 / math.sqrt(2))
        covered = 0
        for replication in range(200):
            scores, is_ood = normals(replication, 60, 60)
            interval = bootstrap_interval("auroc", scores, is_ood, draws=300, seed=replication)
            assert interval.low is not None
            assert interval.high is not None
            covered += interval.low <= truth <= interval.high
        # 190 expected, standard deviation 3.1; the percentile bootstrap covers a little less than it says.
        assert 176 <= covered <= 199

    def test_several_metrics_share_the_draws(self) -> None:
        scores, is_ood = normals(1, 50, 40)
        together = bootstrap_intervals(OOD_METRICS, scores, is_ood, draws=200, seed=4)
        assert list(together) == OOD_METRICS
        for name, interval in together.items():
            assert interval == bootstrap_interval(name, scores, is_ood, draws=200, seed=4)

    def test_a_callable_takes_the_slow_path_to_the_same_interval(self) -> None:
        scores, is_ood = normals(2, 40, 30)
        groups = [row // 3 for row in range(70)]
        fast = bootstrap_interval("auroc", scores, is_ood, groups=groups, draws=100)
        for metric in (auroc, replace(resolve_metric("auroc"), vectorised=None)):
            slow = bootstrap_interval(metric, scores, is_ood, groups=groups, draws=100)
            assert (slow.value, slow.low, slow.high) == pytest.approx(
                (fast.value, fast.low, fast.high), abs=1e-12
            )

    def test_a_higher_level_is_wider(self) -> None:
        scores, is_ood = normals(3, 80, 80)
        assert width(bootstrap_interval("auroc", scores, is_ood, level=0.99)) > width(
            bootstrap_interval("auroc", scores, is_ood, level=0.8)
        )

    def test_copies_of_a_row_are_no_evidence(self) -> None:
        scores, is_ood = normals(4, 60, 60)
        once = bootstrap_interval("auroc", scores, is_ood)
        copied = (np.repeat(scores, 5), np.repeat(is_ood, 5))
        naive = bootstrap_interval("auroc", *copied)
        grouped = bootstrap_interval("auroc", *copied, groups=np.repeat(np.arange(120), 5).tolist())
        # Five copies shrink the naive interval by √5; with groups they change nothing.
        assert width(naive) < 0.6 * width(once)
        assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high), abs=1e-12)

    def test_pairs_that_share_their_noise_are_known_better(self) -> None:
        # Each document gives one ID and one OOD sample that differ by little beside the document's own noise.
        generator = np.random.default_rng(5)
        document = generator.normal(size=200)
        scores = np.r_[document, document + 0.3 + 0.05 * generator.normal(size=200)]
        is_ood = np.repeat([False, True], 200)
        paired = bootstrap_interval("auroc", scores, is_ood, groups=list(range(200)) * 2)
        assert width(paired) < 0.5 * width(bootstrap_interval("auroc", scores, is_ood))

    def test_a_metric_that_some_draws_leave_undefined(self) -> None:
        def spread_of_ood(scores: FloatArray, is_ood: BoolArray) -> float:
            values = np.unique(scores[is_ood])
            return float(values[-1] - values[0]) if len(values) > 1 else math.nan

        scores, is_ood = [1.0, 2.0, 3.0, 4.0], [True, True, False, False]
        with pytest.raises(UndefinedMetric, match=r"undefined in \d+ of 100 resamples"):
            bootstrap_interval(spread_of_ood, scores, is_ood, draws=100)

    def test_level_out_of_range(self) -> None:
        with pytest.raises(ValueError, match="level must lie between 0 and 1"):
            bootstrap_interval("auroc", [1.0, 2.0], [True, False], level=95)

    def test_one_population(self) -> None:
        with pytest.raises(UndefinedMetric, match="no OOD samples"):
            bootstrap_intervals(OOD_METRICS, [1.0, 2.0], [False, False])


class TestEndsOfTheRange:
    def test_perfect_auroc_has_a_rule_of_three(self) -> None:
        interval = bootstrap_interval("auroc", [1.0] * 100 + [2.0] * 50, [False] * 100 + [True] * 50)
        # 3/n of the smaller population: 1 − 3/50.
        assert interval.low == pytest.approx(0.94, abs=1e-12)
        assert (interval.value, interval.high, interval.method) == (1.0, 1.0, "rule_of_three")

    def test_reversed_auroc_has_one_too(self) -> None:
        interval = bootstrap_interval("auroc", [2.0] * 100 + [1.0] * 50, [False] * 100 + [True] * 50)
        assert interval.high == pytest.approx(0.06, abs=1e-12)
        assert (interval.value, interval.low, interval.method) == (0.0, 0.0, "rule_of_three")

    def test_constant_auroc_is_known_exactly(self) -> None:
        interval = bootstrap_interval("auroc", [1.0] * 30, [False] * 20 + [True] * 10)
        assert (interval.value, interval.low, interval.high) == (0.5, 0.5, 0.5)
        assert interval.method == "percentile"

    def test_no_false_positive_has_a_clopper_pearson_bound(self) -> None:
        scores, is_ood = [1.0] * 100 + [2.0] * 50, [False] * 100 + [True] * 50
        for name, n in (("fpr_at_95tpr_ood", 100), ("fpr_at_95tpr_id", 50)):
            interval = bootstrap_interval(name, scores, is_ood)
            expected = scipy.stats.binomtest(0, n).proportion_ci(method="exact")
            assert interval.high == pytest.approx(expected.high, abs=1e-12)
            assert (interval.value, interval.low, interval.method) == (0.0, 0.0, "clopper_pearson")

    def test_all_false_positives_have_one_too(self) -> None:
        interval = bootstrap_interval("fpr_at_95tpr_ood", [1.0] * 150, [False] * 100 + [True] * 50)
        expected = scipy.stats.binomtest(100, 100).proportion_ci(method="exact")
        assert interval.low == pytest.approx(expected.low, abs=1e-12)
        assert (interval.value, interval.high, interval.method) == (1.0, 1.0, "clopper_pearson")

    def test_the_exact_bound_never_hides_what_the_draws_show(self) -> None:
        # 19 of 20 OOD are above all ID, the last below: no false positive, yet a draw that holds the last one
        # twice flags all ID. The bound of 0 in 1000 alone would promise less than 0.4 %.
        scores = [0.0] + [2.0] * 19 + [1.0] * 1000
        interval = bootstrap_interval("fpr_at_95tpr_ood", scores, [True] * 20 + [False] * 1000)
        assert (interval.value, interval.low, interval.high) == (0.0, 0.0, 1.0)

    def test_perfect_precision_follows_from_the_bound_of_the_rate(self) -> None:
        interval = bootstrap_interval(
            "precision_at_1pct", [1.0] * 100 + [2.0] * 50, [False] * 100 + [True] * 50
        )
        rate = 1 - 0.025 ** (1 / 100)
        assert interval.low == pytest.approx(0.01 / (0.01 + 0.99 * rate), abs=1e-12)
        assert (interval.value, interval.high, interval.method) == (1.0, 1.0, "clopper_pearson")

    def test_useless_precision_is_bounded_from_above(self) -> None:
        interval = bootstrap_interval("precision_at_5pct", [1.0] * 150, [False] * 100 + [True] * 50)
        rate = 0.025 ** (1 / 100)
        assert interval.low == pytest.approx(0.05, abs=1e-12)
        assert interval.high == pytest.approx(0.05 / (0.05 + 0.95 * rate), abs=1e-12)

    @pytest.mark.parametrize(
        ("name", "positives", "negatives"), [("aupr_ood", 50, 400), ("aupr_id", 400, 50)]
    )
    def test_perfect_average_precision(self, name: str, positives: int, negatives: int) -> None:
        interval = bootstrap_interval(name, [1.0] * 400 + [2.0] * 50, [False] * 400 + [True] * 50)
        # Independently: average F / (F + ratio·u) on a fine grid over the (1 − v) positives that are found.
        u, v = 1 - 0.025 ** (1 / negatives), 1 - 0.025 ** (1 / positives)
        grid = (np.arange(200_000) + 0.5) / 200_000 * (1 - v)
        expected = (1 - v) * float(np.mean(grid / (grid + negatives / positives * u)))
        assert interval.low == pytest.approx(expected, abs=1e-6)
        assert (interval.value, interval.high, interval.method) == (1.0, 1.0, "clopper_pearson")

    def test_groups_count_not_samples(self) -> None:
        scores, is_ood = [1.0] * 100 + [2.0] * 50, [False] * 100 + [True] * 50
        groups = [row // 10 for row in range(150)]  # 10 groups of ID, 5 of OOD
        found = bootstrap_intervals(["auroc", "fpr_at_95tpr_ood"], scores, is_ood, groups=groups)
        assert found["auroc"].low == pytest.approx(1 - 3 / 5, abs=1e-12)
        assert found["fpr_at_95tpr_ood"].high == pytest.approx(1 - 0.025 ** (1 / 10), abs=1e-12)

    @pytest.mark.parametrize("groups", [None, ["a", "b", "c", "d"]])
    def test_one_group_gives_a_value_without_an_interval(self, groups: list[str] | None) -> None:
        interval = bootstrap_interval(
            "auroc", [1.0, 2.0, 3.0, 4.0], [False, False, False, True], groups=groups
        )
        assert (interval.value, interval.low, interval.high, interval.method) == (1.0, None, None, None)
        assert interval.reason == "the OOD samples are of too few independent groups to resample"

    def test_bounds_of_theory(self) -> None:
        # 1 − 0.025^(1/1) and 1 − 0.05^(1/2).
        assert zero_rate_bound(1, 0.95) == pytest.approx(0.975)
        assert zero_rate_bound(2, 0.9) == pytest.approx(1 - math.sqrt(0.05))
        assert rule_of_three(2, 0.95) == 1.0
        assert rule_of_three(100, 0.95) == pytest.approx(0.03, abs=1e-15)
        # ln 0.01 / ln 0.05 = 1.5372
        assert rule_of_three(100, 0.99) == pytest.approx(0.0461, abs=1e-4)
        assert (
            0 < perfect_precision_bound(2, 2, 100.0, 0.95) < perfect_precision_bound(200, 200, 1.0, 0.95) < 1
        )
