"""Calibration metrics against values worked by hand, and what they say where they are undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmood.metrics import (
    CALIBRATION,
    UndefinedMetric,
    bootstrap_interval,
    brier,
    brier_reliability,
    brier_resolution,
    brier_uncertainty,
    calibration_estimates,
    calibration_metrics,
    ece_mass_15,
    ece_width_15,
    log_loss,
    mce_width_15,
    mean_confidence_gap,
    overconfidence,
    paired_difference,
    perfect_calibration_band,
    reliability_curve,
    underconfidence,
)
from llmood.metrics.calibration import debiased_ece, debiased_mce, debiased_part
from llmood.metrics.calibration_base import Confidences, Resampled
from llmood.metrics.calibration_bins import mass_bins, width_bins
from llmood.metrics.calibration_scores import debiased_reliability, debiased_resolution

# Half 0.5-confident and half of them right; half 0.99-confident and none of them right.
CONFIDENCE = np.repeat([0.5, 0.99], 10)
CORRECT = np.repeat([True, False, False], [5, 5, 10])
BY_ID = {metric.id: metric for metric in calibration_metrics()}


def test_the_most_confident_bin_counts() -> None:
    # |0.5 − 0.5| / 2 + |0.99 − 0| / 2, where peers that leave the last bin out say 0.
    for ece in (ece_width_15, ece_mass_15):
        assert ece(CONFIDENCE, CORRECT) == pytest.approx(0.495, abs=1e-15)
    assert mce_width_15(CONFIDENCE, CORRECT) == pytest.approx(0.99, abs=1e-15)


def test_over_and_underconfidence_part_the_ece() -> None:
    # Three answers of 0.2, one of them right, and two of 0.9, one right: gaps 0.2 − 1/3 and 0.9 − 1/2.
    confidence, correct = [0.2, 0.2, 0.2, 0.9, 0.9], [True, False, False, True, False]
    assert overconfidence(confidence, correct) == pytest.approx(0.4 * 2 / 5, abs=1e-15)
    assert underconfidence(confidence, correct) == pytest.approx((1 / 3 - 0.2) * 3 / 5, abs=1e-15)
    assert mean_confidence_gap(confidence, correct) == pytest.approx(2.4 / 5 - 2 / 5, abs=1e-15)


def test_width_bins_are_numpy_s() -> None:
    edges = np.linspace(0.0, 1.0, 16)
    values = np.concatenate([edges, np.nextafter(edges[1:], 0.0), np.nextafter(edges[:-1], 1.0)])
    for value in values:
        counts, _ = np.histogram([value], bins=15, range=(0.0, 1.0))
        assert counts[width_bins(np.array([value]))[0]] == 1
    assert width_bins(np.array([1.0]))[0] == 14


def test_mass_bins_keep_ties_together() -> None:
    assert mass_bins(np.arange(30) / 30, 15).tolist() == np.repeat(np.arange(15), 2).tolist()
    assert mass_bins(np.array([0.3, 0.1, 0.1, 0.1]), 2).tolist() == [1, 0, 0, 0]
    assert mass_bins(np.full(7, 0.4), 15).tolist() == [7] * 7  # the middle one


def test_brier_and_its_parts() -> None:
    # Ten (0.5 − y)² = 0.25 and ten 0.99².
    assert brier(CONFIDENCE, CORRECT) == pytest.approx((0.25 + 0.9801) / 2, abs=1e-15)
    # Accuracy 1/4; bins of one confidence each: reliability (0² + 0.99²)/2, resolution (1/16 + 1/16)/2.
    assert brier_reliability(CONFIDENCE, CORRECT) == pytest.approx(0.9801 / 2, abs=1e-15)
    assert brier_resolution(CONFIDENCE, CORRECT) == pytest.approx(1 / 16, abs=1e-15)
    assert brier_uncertainty(CONFIDENCE, CORRECT) == 3 / 16


def test_brier_s_parts_with_confidences_that_differ_within_a_bin() -> None:
    # 30 answers, two a bin; in each bin the surer one is right: within-bin covariance is half the distance of each.
    confidence = np.arange(30) / 30
    correct = np.arange(30) % 2 == 1
    assert brier_reliability(confidence, correct) == pytest.approx(
        np.mean([((4 * k + 1) / 60 - 0.5) ** 2 for k in range(15)]), abs=1e-15
    )
    # Accuracies are all 1/2; −(1/60)² within, and 2 · (1/2 · 1/60).
    assert brier_resolution(confidence, correct) == pytest.approx(-1 / 3600 + 1 / 60, abs=1e-15)


def test_log_loss() -> None:
    assert log_loss([0.8, 0.4], [True, False]) == pytest.approx(
        -(math.log(0.8) + math.log(0.6)) / 2, abs=1e-15
    )
    assert log_loss([1.0, 0.0, 0.5], [True, False, True]) == pytest.approx(math.log(2) / 3, abs=1e-15)
    assert log_loss([1e-300, 0.5], [False, True]) == pytest.approx(math.log(2) / 2, abs=1e-15)


def test_log_loss_clips_nothing() -> None:
    with pytest.raises(UndefinedMetric, match="infinite: 2 of 3 answers came out as their confidence"):
        log_loss([1.0, 0.0, 0.5], [False, True, True])


def test_debiased_values() -> None:
    # One bin of ten, half right, at 0.5: gap 0, variance 0.25 / 9; E|N(0, v)| = √(2v/π).
    confidence, correct = np.full(10, 0.5), np.arange(10) % 2 == 0
    noise = math.sqrt(2 * 0.25 / 9 / math.pi)
    assert debiased_ece(confidence, correct, "width") == pytest.approx(-noise, abs=1e-15)
    assert debiased_part(confidence, correct, 1) == pytest.approx(-noise / 2, abs=1e-15)
    assert debiased_part(confidence, correct, -1) == pytest.approx(-noise / 2, abs=1e-15)
    assert debiased_mce(confidence, correct) == pytest.approx(-noise, abs=1e-6)
    assert debiased_reliability(confidence, correct) == pytest.approx(-0.25 / 9, abs=1e-15)
    assert debiased_resolution(confidence, correct) == pytest.approx(-0.25 / 9, abs=1e-15)


def test_debiasing_leaves_alone_what_has_no_noise() -> None:
    # All wrong in the bin of 0.99, and bins of one: neither has a variance to take away.
    confidence, correct = np.array([0.3, 0.99, 0.99, 0.99]), np.array([True, False, False, False])
    assert debiased_ece(confidence, correct, "width") == ece_width_15(confidence, correct)
    assert debiased_mce(confidence, correct) == mce_width_15(confidence, correct)
    assert debiased_reliability(confidence, correct) == brier_reliability(confidence, correct)


def test_debiased_mce_is_the_mean_over_draws() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(200)
    correct = rng.random(200) < confidence**2
    index = width_bins(confidence)
    gaps, spreads = [], []
    for b in np.unique(index):
        right = correct[index == b]
        gaps.append(confidence[index == b].mean() - right.mean())
        spreads.append(math.sqrt(right.mean() * (1 - right.mean()) / (len(right) - 1)))
    drawn = np.abs(rng.normal(gaps, spreads, size=(200_000, len(gaps)))).max(axis=1)
    expected = 2 * mce_width_15(confidence, correct) - drawn.mean()
    assert debiased_mce(confidence, correct) == pytest.approx(
        expected, abs=5 * drawn.std() / math.sqrt(200_000)
    )


@pytest.mark.parametrize("metric", calibration_metrics(), ids=lambda metric: metric.id)
class TestEveryMetric:
    def test_says_what_it_is(self, metric) -> None:
        assert (metric.question, metric.positive_class) == (CALIBRATION, "right")
        assert metric.is_biased == (metric.debiased is not None) == (metric.of_weights is None)

    def test_is_undefined_without_samples(self, metric) -> None:
        with pytest.raises(UndefinedMetric, match="no samples"):
            metric([], np.array([], dtype=bool))

    @pytest.mark.parametrize(
        ("confidence", "correct", "message"),
        [
            ([0.5, float("nan")], [True, False], "1 NaN"),
            ([0.5, 1.5], [True, False], r"confidence must lie in \[0, 1\]"),
            ([-0.1, 0.5], [True, False], r"confidence must lie in \[0, 1\]"),
            ([0.5, 0.5], [1, 0], "correct must be boolean"),
            ([0.5], [True, False], "differ in shape"),
            ([[0.5]], [[True]], "shape"),
        ],
    )
    def test_refuses(self, metric, confidence, correct, message) -> None:
        with pytest.raises(ValueError, match=message):
            metric(confidence, correct)


class TestBand:
    def test_calibrated_answers_lie_in_the_band(self) -> None:
        inside = {metric.id: 0 for metric in calibration_metrics() if metric.is_biased}
        for seed in range(100):
            rng = np.random.default_rng(seed)
            confidence = rng.beta(4, 1.5, size=150)
            correct = rng.random(150) < confidence
            for name, band in perfect_calibration_band(confidence, draws=200, seed=seed).items():
                inside[name] += band.low <= BY_ID[name](confidence, correct) <= band.high
        assert len(inside) == 8
        assert all(count >= 90 for count in inside.values()), inside

    def test_overconfident_answers_don_t(self) -> None:
        rng = np.random.default_rng(1)
        confidence = rng.beta(4, 1.5, size=400)
        correct = rng.random(400) < confidence - 0.15
        bands = perfect_calibration_band(confidence)
        for name in ("ece_width_15", "ece_mass_15", "overconfidence", "brier_reliability"):
            assert not bands[name].holds(BY_ID[name](confidence, correct))
        assert bands["underconfidence"].holds(underconfidence(confidence, correct))

    def test_of_sure_answers_has_no_width(self) -> None:
        band = perfect_calibration_band([0.0, 1.0, 1.0], draws=20)["ece_width_15"]
        assert (band.expected, band.low, band.high, band.draws) == (0.0, 0.0, 0.0, 20)

    def test_of_one_answer_by_hand(self) -> None:
        # Right with 0.8: the ECE is 0.2 then and 0.8 else; 0.2·0.8 + 0.8·0.2 expected.
        band = perfect_calibration_band([0.8], 20_000, 0.9, metrics=[BY_ID["ece_mass_15"]])["ece_mass_15"]
        assert band.expected == pytest.approx(0.32, abs=5 * 0.24 / math.sqrt(20_000))
        assert (band.low, band.high) == (pytest.approx(0.2), pytest.approx(0.8))

    def test_does_not_hang_on_the_order_or_the_number_of_draws_at_once(self, monkeypatch) -> None:
        confidence = np.random.default_rng(3).random(50)
        first = perfect_calibration_band(confidence, draws=40)
        assert perfect_calibration_band(confidence[::-1], draws=40) == first
        monkeypatch.setattr("llmood.metrics.calibration_band.CHUNK", 150)
        again = perfect_calibration_band(confidence, draws=40)
        assert again["ece_mass_15"].high == pytest.approx(first["ece_mass_15"].high, abs=1e-14)

    @pytest.mark.parametrize(
        ("confidence", "options", "message"),
        [
            ([0.5], {"draws": 0}, "draws must be at least 1"),
            ([0.5], {"level": 1.0}, "level must lie between"),
            ([1.5], {}, "confidence must lie"),
            ([], {}, "no samples"),
        ],
    )
    def test_refuses(self, confidence, options, message) -> None:
        with pytest.raises(ValueError, match=message):
            perfect_calibration_band(confidence, **options)


class TestEstimates:
    def test_a_mean_has_an_interval_and_a_distance_a_band(self) -> None:
        rng = np.random.default_rng(0)
        confidence = rng.random(300)
        correct = rng.random(300) < confidence
        found = calibration_estimates(confidence, correct, draws=200)
        assert list(found) == [metric.id for metric in calibration_metrics()]
        for name, estimate in found.items():
            assert estimate.value == BY_ID[name](confidence, correct)
            if BY_ID[name].is_biased:
                assert estimate.low is estimate.high is estimate.method is None
                assert "noise can only enlarge it" in str(estimate.reason)
                assert estimate.band is not None
                assert estimate.debiased < estimate.value
            else:
                assert estimate.low < estimate.value < estimate.high
                assert (estimate.method, estimate.draws, estimate.reason) == ("percentile", 200, None)

    def test_draws_are_the_metric_of_resampled_rows(self) -> None:
        rng = np.random.default_rng(0)
        confidence = rng.random(30)
        labels = (rng.random(30) < 0.6).astype(float)
        weights = rng.integers(0, 3, size=(5, 30))
        for metric in calibration_metrics():
            if metric.of_weights is not None:
                found = metric.of_weights(Resampled(Confidences(confidence), labels, weights.astype(float)))
                rows = [np.repeat(np.arange(30), each) for each in weights]
                assert found == pytest.approx([metric(confidence[r], labels[r] == 1) for r in rows], abs=1e-9)

    def test_labellings_are_the_metric_of_other_labels(self) -> None:
        rng = np.random.default_rng(0)
        confidence = rng.random(40)
        labels = (rng.random((3, 40)) < 0.6).astype(float)
        for metric in calibration_metrics():
            if metric.of_labels is not None:
                found = metric.of_labels(Confidences(confidence), labels)
                assert found == pytest.approx([metric(confidence, row == 1) for row in labels], abs=1e-12)

    def test_groups_widen_the_interval(self) -> None:
        rng = np.random.default_rng(0)
        confidence = np.repeat(rng.random(40), 10)
        correct = np.repeat(rng.random(40) < 0.6, 10)
        alone = calibration_estimates(confidence, correct)["brier"]
        together = calibration_estimates(confidence, correct, groups=np.repeat(np.arange(40), 10).tolist())[
            "brier"
        ]
        assert together.high - together.low > 2 * (alone.high - alone.low)

    def test_one_class_has_values_and_no_intervals(self) -> None:
        found = calibration_estimates([0.9, 0.8], [True, True])
        assert found["brier"].value == pytest.approx(0.025)
        assert found["brier"].low is None
        assert found["brier"].reason == "every answer is right: resampling can't show its spread"
        assert calibration_estimates([0.9], [False])["brier"].reason.startswith("every answer is wrong")

    def test_what_ranks_scores_refuses_confidences(self) -> None:
        with pytest.raises(ValueError, match="ece_mass_15 is of confidences: calibration_estimates says"):
            bootstrap_interval("ece_mass_15", CONFIDENCE, CORRECT)

    def test_calibrators_are_compared_in_pairs(self) -> None:
        rng = np.random.default_rng(0)
        calibrated = rng.random(300)
        correct = rng.random(300) < calibrated
        for metric in (brier, log_loss):
            sharper = np.clip(calibrated * 2.0 - 0.5, 0.01, 0.99)
            found = paired_difference(metric.__name__, sharper, calibrated, correct, draws=200)
            assert found.value == metric(sharper, correct) - metric(calibrated, correct)
            assert found.low > 0.0

    def test_too_few_groups(self) -> None:
        found = calibration_estimates([0.9, 0.8, 0.7], [True, True, False])["log_loss"]
        assert found.value is not None
        assert "too few independent groups" in str(found.reason)

    def test_an_infinite_loss_is_null_and_says_why(self) -> None:
        found = calibration_estimates([1.0, 0.8, 0.7, 0.2], [False, True, False, True])
        assert found["log_loss"].value is None
        assert "infinite: 1 of 4" in str(found["log_loss"].reason)
        assert found["brier"].method == "percentile"


class TestReliabilityCurve:
    def test_by_hand(self) -> None:
        low, high = reliability_curve(CONFIDENCE, CORRECT)
        assert (low.low, low.high) == (pytest.approx(7 / 15), pytest.approx(8 / 15))
        assert (low.n, low.mean_confidence, low.accuracy) == (10, 0.5, 0.5)
        # Wilson at 5 of 10 and 0 of 10: Newcombe (1998), table I's method 3 gives 0.2366 to 0.7634 and 0 to 0.2775.
        assert (low.ci_low, low.ci_high) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
        assert (high.high, high.ci_low, high.ci_high) == (
            1.0,
            pytest.approx(0.0, abs=1e-15),
            pytest.approx(0.2775, abs=1e-4),
        )

    def test_equally_full_bins_have_the_edges_of_their_samples(self) -> None:
        curve = reliability_curve([0.1, 0.2, 0.6, 0.9], [False, True, True, True], bins=2, rule="mass")
        assert [(row.low, row.high, row.n, row.accuracy) for row in curve] == [
            (0.1, 0.2, 2, 0.5),
            (0.6, 0.9, 2, 1.0),
        ]

    def test_weighted_gaps_are_the_ece(self) -> None:
        rng = np.random.default_rng(0)
        confidence, correct = rng.random(500), rng.random(500) < 0.5
        for rule, ece in (("width", ece_width_15), ("mass", ece_mass_15)):
            curve = reliability_curve(confidence, correct, rule=rule)
            gaps = [row.n / 500 * abs(row.mean_confidence - row.accuracy) for row in curve]
            assert sum(gaps) == pytest.approx(ece(confidence, correct), abs=1e-14)
            assert sum(row.n for row in curve) == 500

    def test_groups_count_once(self) -> None:
        confidence, correct = np.full(40, 0.5), np.arange(40) < 20
        (alone,) = reliability_curve(confidence[::4], correct[::4])
        groups = [f"g{row // 4}" for row in range(36)] + ["g9"] * 4
        (together,) = reliability_curve(confidence, correct, groups=groups)
        assert together.n == 40
        assert (together.ci_low, together.ci_high) == pytest.approx((alone.ci_low, alone.ci_high))
        (own,) = reliability_curve(confidence, correct, groups=[None] * 40)
        assert own == reliability_curve(confidence, correct)[0]

    def test_refuses(self) -> None:
        with pytest.raises(ValueError, match="bins must be at least 1"):
            reliability_curve([0.5], [True], bins=0)
        with pytest.raises(ValueError, match="2 groups for 1 samples"):
            reliability_curve([0.5], [True], groups=["a", "b"])
