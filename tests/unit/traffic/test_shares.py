"""What share of questions like the calibration rows a detector flags: from the threshold's rank, and with ties."""

from __future__ import annotations

import numpy as np
import pytest

from llmood.measures.split_conformal import beta_binomial_interval
from llmood.measures.threshold import Threshold
from llmood.traffic.shares import Promise


@pytest.mark.parametrize("delta", [None, 0.1])
def test_without_ties_it_is_the_law_of_the_rank(delta: float | None) -> None:
    calibration = np.random.default_rng(0).permutation(200.0 + np.arange(200))
    threshold = (
        Threshold.false_alarms(calibration, 0.05)
        if delta is None
        else Threshold.false_alarms_for_most(calibration, 0.05, delta)
    )
    rank = int((calibration >= threshold.value).sum())
    assert threshold.rank == rank
    low, high = beta_binomial_interval(200, rank / 201, 1000, 0.99)
    expected = Promise(calibration, threshold).expected(1000)
    assert expected == {"promised": 0.05, "expected_low": low, "expected_high": high}


def test_a_constant_score_may_flag_nothing() -> None:
    calibration = np.zeros(120)
    threshold = Threshold.false_alarms(calibration, 0.05)
    expected = Promise(calibration, threshold).expected(500)
    assert expected["expected_low"] == 0.0
    assert 0.0 < expected["expected_high"] < 0.2


def test_with_ties_the_range_holds_the_rate_of_most_detectors() -> None:
    """Scores of 8 values; each detector's own flags on 400 further rows, against its own range."""
    generator = np.random.default_rng(1)
    outside = 0
    for _ in range(300):
        calibration = generator.integers(0, 8, 150).astype(float)
        threshold = Threshold.false_alarms(calibration, 0.2)
        share = (generator.integers(0, 8, 400) > threshold.value).mean()
        expected = Promise(calibration, threshold).expected(400)
        outside += not expected["expected_low"] <= share <= expected["expected_high"]
    assert outside <= 0.01 * 300 + 2 * np.sqrt(300 * 0.01 * 0.99)


def test_rows_of_none_are_promised_all_the_same() -> None:
    calibration = np.arange(100.0)
    assert Promise(calibration, Threshold.false_alarms(calibration, 0.05)).expected(0) == {"promised": 0.05}


def test_a_threshold_on_answers_has_no_rank() -> None:
    threshold = Threshold.wrong_answered(np.arange(50.0), np.zeros(50, bool), 0.1)
    with pytest.raises(ValueError, match="has no rank"):
        _ = threshold.rank
