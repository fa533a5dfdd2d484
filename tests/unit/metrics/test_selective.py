"""Metrics of errors against values worked by hand. Higher uncertainty is less sure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmood.metrics import (
    ERROR_DETECTION,
    PooledResamples,
    Resamples,
    UndefinedMetric,
    accuracy_at_coverage,
    aurac,
    aurc,
    bootstrap_interval,
    bootstrap_intervals,
    eaurc,
    error_auroc,
    error_detection_metrics,
    metric_draws,
    paired_difference,
    prr,
    prr_interval,
    rank_scorers,
    resamples_for,
    resolve_metric,
)
from llmood.metrics.exact import perfect_selection_bound
from llmood.metrics.risk_coverage import harmonic_numbers

# From the most confident on: right | wrong, right (tied) | right | wrong
UNCERTAINTY = [0.0, 1.0, 1.0, 2.0, 3.0]
CORRECT = [True, False, True, True, False]
FUNCTIONS = (aurc, eaurc, prr, aurac, accuracy_at_coverage, error_auroc)
METRICS = [metric.id for metric in error_detection_metrics()]
REGISTERED = [name for name in METRICS if name != "auroc"]


def test_aurc_expects_over_the_order_of_ties() -> None:
    # Errors among the first i: 0, 1/2 (either of the tied), 1, 1, 2.
    assert aurc(UNCERTAINTY, CORRECT) == pytest.approx((0 + 0.5 / 2 + 1 / 3 + 1 / 4 + 2 / 5) / 5, abs=1e-15)


def test_excess_aurc_and_prr_measure_from_the_oracle() -> None:
    # The oracle has both wrong ones last: errors 0, 0, 0, 1, 2.
    area = (0.5 / 2 + 1 / 3 + 1 / 4 + 2 / 5) / 5
    best = (1 / 4 + 2 / 5) / 5
    assert eaurc(UNCERTAINTY, CORRECT) == pytest.approx(area - best, abs=1e-15)
    assert prr(UNCERTAINTY, CORRECT) == pytest.approx((2 / 5 - area) / (2 / 5 - best), abs=1e-14)


def test_prr_of_graded_answers() -> None:
    # Qualities 0.5, 1, 0: risks by uncertainty 0.5, 0, 1; areas 0.5 + 0.25 + 0.5, oracle 0 + 0.25 + 0.5, chance 1.5.
    assert prr([1.0, 2.0, 3.0], [0.5, 1.0, 0.0]) == pytest.approx((1.5 - 1.25) / (1.5 - 0.75), abs=1e-15)
    # A tie of the first two: risks 0.25, 0.25, 1 in expectation, areas 0.25 + 0.25 + 0.5.
    assert prr([1.0, 1.0, 3.0], [0.5, 1.0, 0.0]) == pytest.approx((1.5 - 1.0) / (1.5 - 0.75), abs=1e-15)


def test_prr_is_not_truncated() -> None:
    # One error of ten, and it is the most confident: the area is H(10)/10.
    value = prr(np.arange(10.0), [False] + [True] * 9)
    assert value == pytest.approx((0.1 - harmonic_numbers(10)[10] / 10) / (0.1 - 0.01), abs=1e-14)
    assert value < -2


def test_accuracy_at_coverage_expects_over_the_last_tie() -> None:
    assert accuracy_at_coverage(UNCERTAINTY, CORRECT, 0.2) == 1.0
    # Two of five: the sure one, and one of the tied.
    assert accuracy_at_coverage(UNCERTAINTY, CORRECT, 0.4) == 0.75
    assert accuracy_at_coverage(UNCERTAINTY, CORRECT, 0.6) == pytest.approx(2 / 3, abs=1e-15)
    assert accuracy_at_coverage(UNCERTAINTY, CORRECT) == 0.75
    assert accuracy_at_coverage(UNCERTAINTY, CORRECT, 1.0) == 0.6
    # A coverage below one answer accepts one.
    assert accuracy_at_coverage(UNCERTAINTY, CORRECT, 0.01) == 1.0


@pytest.mark.parametrize(("percent", "n"), [(55, 100), (7, 100), (28, 50)])
def test_coverage_is_counted_not_rounded(percent: int, n: int) -> None:
    # In floats 0.55 · 100 is more than 55: one answer more would be accepted, and it is wrong.
    right = n * percent // 100
    correct = np.arange(n) < right
    assert accuracy_at_coverage(np.arange(float(n)), correct, percent / 100) == 1.0


def test_aurac_is_a_mean_over_coverages() -> None:
    # A constant score has the accuracy at every coverage, and so as its area.
    assert aurac([1.0] * 8, [True, False] * 4) == pytest.approx(0.5, abs=1e-15)
    # 99 right answers, then a wrong one: 1 at all coverages but the last, where it is 0.99.
    value = aurac(np.arange(100.0), np.arange(100) < 99)
    assert value == pytest.approx(1 - 0.01 / 20, abs=1e-15)


def test_error_auroc_has_wrong_answers_positive() -> None:
    # Wrong 3 beats three right ones; wrong 1 beats one, ties one, loses to one.
    assert error_auroc(UNCERTAINTY, CORRECT) == (3 + 1.5) / 6


def test_constant_and_perfect() -> None:
    correct = [True, False, False, True, True]
    assert (prr([2.0] * 5, correct), error_auroc([2.0] * 5, correct)) == (0.0, 0.5)
    assert aurc([2.0] * 5, correct) == pytest.approx(0.4, abs=1e-15)
    perfect = [0.0, 5.0, 6.0, 1.0, 2.0]
    assert prr(perfect, correct) == pytest.approx(1.0, abs=1e-14)
    assert eaurc(perfect, correct) == pytest.approx(0.0, abs=1e-15)
    assert prr([2.0] * 5, [0.1, 0.9, 0.3, 0.3, 0.7]) == 0.0


def test_infinities_rank() -> None:
    assert prr([-math.inf, 0.0, math.inf], [True, True, False]) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("function", FUNCTIONS)
class TestRefused:
    def test_nan(self, function: object) -> None:
        with pytest.raises(ValueError, match="1 NaN: drop and count"):
            function([1.0, math.nan], [True, False])  # type: ignore[operator]

    def test_shapes(self, function: object) -> None:
        with pytest.raises(ValueError, match="differ in shape"):
            function([1.0, 2.0], [True, False, True])  # type: ignore[operator]

    @pytest.mark.parametrize(
        ("correct", "reason"), [([True] * 2, "is right"), ([False] * 2, "is wrong"), ([], "no samples")]
    )
    def test_one_class(self, function: object, correct: list[bool], reason: str) -> None:
        with pytest.raises(UndefinedMetric, match=reason):
            function([1.0, 2.0][: len(correct)], np.array(correct, dtype=bool))  # type: ignore[operator]


# All but `prr`, whose second argument may be a quality.
@pytest.mark.parametrize("function", [each for each in FUNCTIONS if each is not prr])
def test_numbers_for_labels(function: object) -> None:
    with pytest.raises(ValueError, match="must be boolean"):
        function([1.0, 2.0], [0, 1])  # type: ignore[operator]


def test_quality_out_of_range_or_all_the_same() -> None:
    with pytest.raises(ValueError, match=r"quality must lie in \[0, 1\]"):
        prr([1.0, 2.0], [0.5, 1.5])
    with pytest.raises(ValueError, match="quality holds 1 NaN"):
        prr([1.0, 2.0], [0.5, math.nan])
    with pytest.raises(UndefinedMetric, match="same quality"):
        prr([1.0, 2.0], [0.5, 0.5])
    with pytest.raises(UndefinedMetric, match="no samples"):
        prr([], np.array([], dtype=float))


class TestRegistered:
    def test_what_the_registry_says(self) -> None:
        directions = {metric.id: metric.higher_is_better for metric in error_detection_metrics()}
        assert directions == {
            "auroc": True,
            "aurc": False,
            "eaurc": False,
            "prr": True,
            "aurac": True,
            "accuracy_at_50pct_coverage": True,
            "accuracy_at_80pct_coverage": True,
            "accuracy_at_90pct_coverage": True,
            "aupr_wrong": True,
        }
        for metric in error_detection_metrics():
            assert (metric.question, metric.positive_class, metric.pooled) == (ERROR_DETECTION, "wrong", True)
        # The registered AUROC still answers its own question.
        assert resolve_metric("auroc").question == "ood_detection"
        assert not resolve_metric("auroc").pooled

    def test_registered_ones_take_what_is_wrong(self) -> None:
        wrong = ~np.array(CORRECT)
        values = {metric.id: metric(UNCERTAINTY, wrong) for metric in error_detection_metrics()}
        assert values["auroc"] == error_auroc(UNCERTAINTY, CORRECT)
        assert values["aurc"] == aurc(UNCERTAINTY, CORRECT)
        assert values["prr"] == prr(UNCERTAINTY, CORRECT)
        assert values["accuracy_at_80pct_coverage"] == 0.75
        with pytest.raises(ValueError, match="is_wrong must be boolean"):
            resolve_metric("aurc")([1.0, 2.0], [0, 1])


class TestResamples:
    def test_the_error_rate_varies_and_no_draw_loses_a_class(self) -> None:
        wrong = np.array([True] * 2 + [False] * 20)
        weights = np.concatenate(list(PooledResamples(wrong, draws=500).chunks()))
        assert weights.shape == (500, 22)
        assert (weights.sum(axis=1) == 22).all()
        drawn = weights[:, wrong].sum(axis=1)
        assert drawn.min() == 1
        assert len(np.unique(drawn)) > 3

    @pytest.mark.parametrize("size", [1, 3, 7, 100])
    def test_chunks_change_nothing(self, size: int) -> None:
        resamples = PooledResamples([True, True] + [False] * 9, [0, 1, 1, *range(2, 10)], draws=40, seed=3)
        np.testing.assert_array_equal(
            np.concatenate(list(resamples.chunks(size))), np.concatenate(list(resamples.chunks()))
        )

    def test_groups_stay_together(self) -> None:
        groups = [0, 0, 0, 1, 1, 2, 3, 4]
        weights = np.concatenate(
            list(PooledResamples([True, False, False] * 2 + [True, False], groups, draws=60).chunks())
        )
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 3] == weights[:, 4]).all()
        # Groups are of different sizes, so the number of samples varies too.
        assert len(np.unique(weights.sum(axis=1))) > 1

    def test_metrics_choose_their_resamples(self) -> None:
        wrong = ~np.array(CORRECT)
        assert isinstance(resamples_for([resolve_metric("prr")], wrong), PooledResamples)
        assert type(resamples_for([resolve_metric("auroc")], wrong)) is Resamples
        with pytest.raises(ValueError, match="resampled differently"):
            bootstrap_intervals(["auroc", "prr"], UNCERTAINTY, wrong)

    def test_vectorised_equals_written_out(self) -> None:
        generator = np.random.default_rng(0)
        scores = generator.integers(0, 6, size=40).astype(float)
        wrong = generator.random(40) < 0.3
        groups = [row // 3 for row in range(40)]
        resamples = PooledResamples(wrong, groups, draws=30, seed=1)
        metrics = error_detection_metrics()
        fast = metric_draws(metrics, [scores], resamples)[0]
        for draw, weights in enumerate(np.concatenate(list(resamples.chunks()))):
            rows = np.repeat(np.arange(40), weights)
            expected = [metric(scores[rows], wrong[rows]) for metric in metrics]
            np.testing.assert_allclose(fast[:, draw], expected, rtol=0, atol=1e-12)

    def test_comparisons_take_them_too(self) -> None:
        generator = np.random.default_rng(2)
        wrong = generator.random(200) < 0.3
        good, bad = generator.normal(size=200) + 2 * wrong, generator.normal(size=200)
        found = paired_difference("aurc", good, bad, wrong, draws=200)
        assert found.high < 0
        assert found.value == aurc(good, ~wrong) - aurc(bad, ~wrong)
        places = rank_scorers("aurc", {"bad": bad, "good": good}, wrong, draws=200)
        assert (places["good"].leads, places["bad"].best) == (True, False)
        assert rank_scorers("prr", {"bad": bad, "good": good}, wrong, draws=200)["good"].leads


class TestIntervals:
    def test_too_few_groups(self) -> None:
        interval = bootstrap_interval("prr", [1.0, 2.0, 3.0], np.array([False, False, True]))
        assert interval.value == 1.0
        assert interval.low is None
        assert interval.reason == "the wrong answers are of too few independent groups to resample"

    @pytest.mark.parametrize(
        ("name", "end"), [("prr", "high"), ("eaurc", "low"), ("accuracy_at_50pct_coverage", "high")]
    )
    def test_the_end_of_the_range_has_a_bound_that_shrinks(self, name: str, end: str) -> None:
        widths = []
        for n in (10, 100, 1000):
            scores, wrong = np.arange(2.0 * n), np.arange(2 * n) >= n
            interval = bootstrap_interval(name, scores, wrong, draws=50)
            assert interval.method == "clopper_pearson"
            assert interval.low is not None
            assert interval.high is not None
            assert getattr(interval, end) == pytest.approx(interval.value, abs=1e-12)
            widths.append(interval.high - interval.low)
        assert widths[0] > widths[1] > widths[2] > 0

    def test_the_bound_is_the_area_of_that_order(self) -> None:
        # The order that the bound supposes, written out as a hundred thousand answers.
        excess, ratio = perfect_selection_bound(40, 25, 0.3, 0.95)
        first = 0.3 * (1 - 0.025 ** (1 / 25))
        last = 0.7 * (1 - 0.025 ** (1 / 40))
        n = 100_000
        kinds = [(first, False), (0.7 - last, True), (0.3 - first, False), (last, True)]
        correct = np.concatenate([np.full(round(share * n), kind) for share, kind in kinds])
        scores = np.arange(float(len(correct)))
        assert eaurc(scores, correct) == pytest.approx(excess, abs=1e-4)
        assert prr(scores, correct) == pytest.approx(ratio, abs=1e-3)

    def test_graded_answers(self) -> None:
        generator = np.random.default_rng(4)
        quality = generator.random(300)
        scores = generator.normal(size=300) - 3 * quality
        useful = prr_interval(scores, quality, draws=200)
        assert useful.low is not None
        assert useful.high is not None
        assert 0 < useful.low < useful.value < useful.high < 1
        # A sample twice in a group is no further evidence.
        twice = prr_interval(
            np.tile(scores, 2), np.tile(quality, 2), groups=[*range(300), *range(300)], draws=200
        )
        assert (twice.low, twice.high) == pytest.approx((useful.low, useful.high), abs=0.01)
        alone = prr_interval([1.0, 2.0], [0.0, 1.0], groups=["a", "a"])
        assert (alone.low, alone.reason) == (None, "fewer than two independent groups to resample")

    def test_graded_agrees_with_right_and_wrong(self) -> None:
        generator = np.random.default_rng(5)
        scores = generator.integers(0, 9, size=60).astype(float)
        correct = generator.random(60) < 0.6
        assert prr(scores, correct.astype(float)) == pytest.approx(prr(scores, correct), abs=1e-12)


# Of answers wrong with probability 0.3 and scores that know nothing. The best order's area is that of infinitely many:
# 0.3 + 0.7 · ln 0.7.
TRUTHS = {
    "auroc": 0.5,
    "prr": 0.0,
    "aurc": 0.3,
    "eaurc": -0.7 * math.log(0.7),
    "aurac": 0.7,
    "accuracy_at_50pct_coverage": 0.7,
    "accuracy_at_80pct_coverage": 0.7,
    "accuracy_at_90pct_coverage": 0.7,
    "aupr_wrong": 0.3,
}


def test_random_scorers_cover_the_truth() -> None:
    metrics = error_detection_metrics()
    covered = dict.fromkeys(TRUTHS, 0)
    for seed in range(100):
        generator = np.random.default_rng(seed)
        scores, wrong = generator.normal(size=300), generator.random(300) < 0.3
        drawn = metric_draws(metrics, [scores], PooledResamples(wrong, draws=400, seed=seed))[0]
        low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
        for metric, below, above in zip(metrics, low, high, strict=True):
            covered[metric.id] += bool(below <= TRUTHS[metric.id] <= above)
    assert min(covered.values()) >= 90, covered
    assert set(covered) == set(METRICS)
