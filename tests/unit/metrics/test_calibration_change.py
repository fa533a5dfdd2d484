"""What calibrating changes, on paired resamples: values worked by hand, and each resample laid out row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmood.metrics import (
    UndefinedMetric,
    brier,
    calibration_changes,
    calibration_estimates,
    calibration_metrics,
    log_loss,
)
from llmood.metrics.pooled import PooledResamples

BY_ID = {metric.id: metric for metric in calibration_metrics()}
MEANS = [BY_ID["log_loss"], BY_ID["brier"]]


def answers(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences that are too sure, the same without excess, and which answers are right."""
    generator = np.random.default_rng(seed)
    honest = generator.uniform(0.2, 0.8, n)
    return 1 / (1 + ((1 - honest) / honest) ** 3), honest, generator.random(n) < honest


def test_the_change_is_after_less_before() -> None:
    right = np.array([True, True, False, False])
    found = calibration_changes(np.full(4, 0.5), {"new": [0.8, 0.8, 0.2, 0.6]}, right, MEANS)
    # Squares: 0.04, 0.04, 0.04 and 0.36, on average 0.12; before, 0.25 each.
    assert found["new", "brier"].value == pytest.approx(-0.13)
    expected = -(3 * math.log(0.8) + math.log(0.4)) / 4 - math.log(2)
    assert found["new", "log_loss"].value == pytest.approx(expected)


@pytest.mark.parametrize("grouped", [False, True])
def test_each_resample_has_both_of_the_same_answers(grouped: bool) -> None:
    before, after, right = answers()
    groups = [f"g{place // 3}" for place in range(60)] if grouped else None
    found = calibration_changes(before, {"new": after}, right, MEANS, groups=groups, draws=200, seed=3)
    drawn: dict[str, list[float]] = {"brier": [], "log_loss": []}
    for weights in PooledResamples(~right, groups, draws=200, seed=3).chunks():
        for rows in (np.repeat(np.arange(60), each) for each in weights):
            for name, metric in (("brier", brier), ("log_loss", log_loss)):
                drawn[name].append(metric(after[rows], right[rows]) - metric(before[rows], right[rows]))
    for name, values in drawn.items():
        each = found["new", name]
        assert (each.low, each.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
        assert (each.method, each.draws, each.level) == ("paired_percentile", len(values), 0.95)


def test_pairs_tell_more_than_the_ends_of_two_intervals() -> None:
    before, after, right = answers(400)
    found = calibration_changes(before, {"new": after}, right, MEANS)["new", "brier"]
    alone = [calibration_estimates(each, right, metrics=MEANS)["brier"] for each in (before, after)]
    assert found.low is not None
    assert found.high is not None
    widths = [(each.high or 0.0) - (each.low or 0.0) for each in alone]
    assert found.high - found.low < math.hypot(*widths)
    assert found.low < found.value < found.high < 0  # type: ignore[operator]


def test_the_same_confidences_change_nothing_and_the_order_of_two_turns_the_sign() -> None:
    before, after, right = answers()
    found = calibration_changes(before, {"same": before, "new": after}, right, MEANS)
    back = calibration_changes(after, {"old": before}, right, MEANS)
    for name in ("brier", "log_loss"):
        same = found["same", name]
        assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
        ours, theirs = found["new", name], back["old", name]
        assert ours.value == -(theirs.value or 0.0)
        assert (ours.low, ours.high) == pytest.approx((-(theirs.high or 0.0), -(theirs.low or 0.0)))


def test_what_is_undefined_on_one_side_says_on_which() -> None:
    right = np.array([True, False, True, False])
    sure, fair = np.array([0.5, 1.0, 0.5, 0.5]), np.full(4, 0.5)
    found = calibration_changes(sure, {"new": fair}, right, MEANS)
    assert found["new", "log_loss"].value is None
    assert "before calibration, infinite: 1 of 4" in str(found["new", "log_loss"].reason)
    assert found["new", "brier"].low is not None
    turned = calibration_changes(fair, {"new": sure}, right, MEANS)
    assert str(turned["new", "log_loss"].reason).startswith("after calibration, infinite")


def test_no_interval_where_resampling_shows_no_spread() -> None:
    before, after, right = answers()
    of_one = calibration_changes(before, {"new": after}, np.ones(60, dtype=bool), MEANS)["new", "brier"]
    assert of_one.value is not None
    assert of_one.low is None
    assert "every answer is right" in str(of_one.reason)
    biased = calibration_changes(before, {"new": after}, right, [BY_ID["smooth_ece"]])["new", "smooth_ece"]
    smooth = BY_ID["smooth_ece"]
    assert biased.value == smooth(after, right) - smooth(before, right)
    assert biased.low is None
    assert "noise" in str(biased.reason)
    with pytest.raises(UndefinedMetric, match="no samples"):
        calibration_changes([], {"new": []}, [], MEANS)
    with pytest.raises(ValueError, match="shape"):
        calibration_changes(before, {"new": after[1:]}, right, MEANS)
