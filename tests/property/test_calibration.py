"""What holds of every calibration metric on any data, and that plain loops and scikit-learn give the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from llmood.metrics import (
    CalibrationMetric,
    UndefinedMetric,
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
    smooth_ece,
    underconfidence,
)
from llmood.metrics.inputs import BoolArray, FloatArray

Data = tuple[FloatArray, BoolArray]
EDGES = [0.0, 1.0, 0.5, 7 / 15, 1 / 3, float(np.nextafter(1.0, 0.0)), 5e-324]


@st.composite
def data(draw: st.DrawFn, min_size: int = 1, *, inner: bool = False) -> Data:
    value = st.floats(0.01, 0.99) if inner else st.one_of(st.sampled_from(EDGES), st.floats(0, 1))
    rows = draw(st.lists(st.tuples(value, st.booleans()), min_size=min_size, max_size=40))
    confidence, correct = zip(*rows, strict=True)
    return np.array(confidence), np.array(correct)


def naive_gaps(confidence: FloatArray, correct: BoolArray, bins: int = 15) -> list[tuple[int, float]]:
    """(size, mean confidence − accuracy) of each bin that `numpy.histogram` fills."""
    edges = np.linspace(0, 1, bins + 1)
    found = []
    for b in range(bins):
        held = (confidence >= edges[b]) & ((confidence < edges[b + 1]) | (b == bins - 1))
        assert held.sum() == np.histogram(confidence, bins=bins, range=(0, 1))[0][b]
        if held.any():
            found.append((int(held.sum()), float(confidence[held].mean() - correct[held].mean())))
    return found


@given(data())
def test_width_bins_as_a_loop(sample: Data) -> None:
    gaps = naive_gaps(*sample)
    assert ece_width_15(*sample) == pytest.approx(
        sum(n * abs(g) for n, g in gaps) / len(sample[0]), abs=1e-12
    )
    assert mce_width_15(*sample) == pytest.approx(max(abs(g) for _, g in gaps), abs=1e-12)


def value_of(metric: CalibrationMetric, confidence: FloatArray, correct: BoolArray) -> float | str:
    try:
        return metric(confidence, correct)
    except UndefinedMetric as undefined:
        return undefined.reason


@given(data())
def test_bounds_and_order(sample: Data) -> None:
    order = np.argsort(sample[0], kind="stable")[::-1]
    for metric in calibration_metrics():
        value, again = value_of(metric, *sample), value_of(metric, sample[0][order], sample[1][order])
        if isinstance(value, str):
            assert again == value
            continue
        low, high = metric.bounds
        assert low - 1e-12 <= value <= high + 1e-12
        assert again == pytest.approx(value, rel=1e-6, abs=1e-9)


@given(data())
def test_parts_add_up(sample: Data) -> None:
    assert overconfidence(*sample) + underconfidence(*sample) == pytest.approx(
        ece_mass_15(*sample), abs=1e-12
    )
    assert overconfidence(*sample) - underconfidence(*sample) == pytest.approx(
        mean_confidence_gap(*sample), abs=1e-12
    )
    parts = brier_reliability(*sample) - brier_resolution(*sample) + brier_uncertainty(*sample)
    assert parts == pytest.approx(brier(*sample), abs=1e-12)


@given(data())
def test_every_distance_is_at_least_the_mean_gap(sample: Data) -> None:
    gap = abs(mean_confidence_gap(*sample))
    for distance in (ece_width_15, ece_mass_15, mce_width_15):
        assert distance(*sample) >= gap - 1e-12
    assert smooth_ece(*sample) >= gap - 1e-4


@given(data())
def test_perfect_answers(sample: Data) -> None:
    correct = sample[1]
    for metric in (ece_width_15, ece_mass_15, mce_width_15, smooth_ece, brier, brier_reliability, log_loss):
        assert metric(correct.astype(float), correct) == pytest.approx(0.0, abs=1e-15)


@given(data())
def test_confidence_in_being_wrong_is_as_good(sample: Data) -> None:
    confidence, correct = np.round(sample[0] * 64) / 64, sample[1]  # so that 1 − p is exact
    for metric in (smooth_ece, brier, brier_uncertainty):
        assert metric(1 - confidence, ~correct) == pytest.approx(metric(confidence, correct), abs=1e-6)
    assert mean_confidence_gap(1 - confidence, ~correct) == pytest.approx(
        -mean_confidence_gap(confidence, correct), abs=1e-12
    )


@given(data(inner=True))
def test_scores_are_scikit_learn_s(sample: Data) -> None:
    confidence, correct = sample
    assert brier(confidence, correct) == pytest.approx(
        sklearn.metrics.brier_score_loss(correct, confidence, pos_label=True), abs=1e-12
    )
    expected = sklearn.metrics.log_loss(
        correct, np.column_stack([1 - confidence, confidence]), labels=[False, True]
    )
    assert log_loss(confidence, correct) == pytest.approx(expected, abs=1e-10)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_mass_bins_are_scikit_learn_s_where_all_are_full(seed: int, each: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.random(15 * each + (each == 1) * 15)
    correct = rng.random(len(confidence)) < 0.5
    accuracy, mean = sklearn.calibration.calibration_curve(
        correct, confidence, n_bins=15, strategy="quantile"
    )
    assert ece_mass_15(confidence, correct) == pytest.approx(np.abs(accuracy - mean).mean(), abs=1e-12)


@settings(max_examples=25)
@given(data(min_size=2))
def test_estimates_never_fail_and_never_hold_a_nan(sample: Data) -> None:
    for name, found in calibration_estimates(*sample, draws=20).items():
        numbers = [found.value, found.low, found.high, found.debiased]
        assert all(number is None or np.isfinite(number) for number in numbers), name
        assert (found.low is None) == (found.reason is not None)
        if found.value is None:
            assert found.reason
        elif found.band is not None:
            assert found.debiased <= found.value + 1e-12
            assert found.band.low <= found.band.high
