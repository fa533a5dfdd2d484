"""Calibration slope and intercept against scikit-learn's logistic regression, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from llmood.metrics import (
    UndefinedMetric,
    calibration_estimates,
    calibration_intercept,
    calibration_metrics,
    calibration_slope,
)
from llmood.metrics.calibration_base import Confidences, Resampled
from llmood.metrics.calibration_slope import lines
from llmood.metrics.inputs import BoolArray, FloatArray

LINE = [
    metric for metric in calibration_metrics() if metric.id in ("calibration_slope", "calibration_intercept")
]


def sample(seed: int, n: int = 200) -> tuple[FloatArray, BoolArray]:
    rng = np.random.default_rng(seed)
    # From 1e-8 to nearly 1, with ties.
    logits = np.round(rng.normal(0.5, 3.0, size=n), 1)
    return 1 / (1 + np.exp(-logits)), rng.random(n) < 1 / (1 + np.exp(0.7 - 0.4 * logits))


def peer(
    confidence: FloatArray, correct: BoolArray, weights: FloatArray | None = None
) -> tuple[float, float]:
    model = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky", max_iter=1000)
    model.fit(np.log(confidence / (1 - confidence))[:, None], correct, weights)
    return float(model.intercept_[0]), float(model.coef_[0, 0])


def test_by_hand() -> None:
    # At logits ±ln 4 the accuracies are 2/3 and 1/3, of logits ±ln 2: a slope of ln 2 / ln 4.
    confidence = np.repeat([0.8, 0.2], 3)
    correct = np.array([True, True, False, True, False, False])
    assert calibration_slope(confidence, correct) == pytest.approx(0.5, abs=1e-9)
    assert calibration_intercept(confidence, correct) == pytest.approx(0.0, abs=1e-9)
    # At ln 4 and 0 they are 2/3 and 1/3: ln 2 = a + b ln 4 and −ln 2 = a.
    confidence = np.repeat([0.8, 0.5], 3)
    assert calibration_slope(confidence, correct) == pytest.approx(1.0, abs=1e-9)
    assert calibration_intercept(confidence, correct) == pytest.approx(-np.log(2), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int) -> None:
    confidence, correct = sample(seed)
    intercept, slope = peer(confidence, correct)
    assert calibration_slope(confidence, correct) == pytest.approx(slope, abs=1e-7)
    assert calibration_intercept(confidence, correct) == pytest.approx(intercept, abs=1e-7)


def test_draws_agree_with_scikit_learn() -> None:
    confidence, correct = sample(0, 40)
    weights = np.random.default_rng(0).poisson(1.0, size=(20, 40)).astype(float)
    intercepts, slopes = lines(Resampled(Confidences(confidence), correct.astype(float), weights))
    expected = [peer(confidence, correct, row) for row in weights]
    assert np.stack([intercepts, slopes], axis=1) == pytest.approx(np.array(expected), abs=1e-6)


def test_calibrated_answers_are_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.beta(2, 1, size=4000)
    found = calibration_estimates(confidence, rng.random(4000) < confidence, draws=200, metrics=LINE)
    assert found["calibration_slope"].low < 1.0 < found["calibration_slope"].high
    assert found["calibration_intercept"].low < 0.0 < found["calibration_intercept"].high


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        (
            [1.0, 0.4, 0.0],
            [True, False, True],
            "^2 of 3 confidences are exactly 0 or 1: their logits are infinite",
        ),
        ([0.5, 0.4], [True, True], "^every answer is right: there is no slope to fit"),
        ([0.5, 0.4], [False, False], "^every answer is wrong: there is no slope to fit"),
        ([0.5, 0.5], [True, False], "^all confidences are the same: they have no slope"),
        ([0.9, 0.8, 0.2], [True, True, False], "^a confidence parts the right answers from the wrong ones"),
        ([0.9, 0.8, 0.8], [True, True, False], "^a confidence parts the right answers from the wrong ones"),
        ([0.9, 0.8, 0.2], [False, True, True], "^a confidence parts the right answers from the wrong ones"),
    ],
)
def test_is_undefined_for_a_reason(confidence: list[float], correct: list[bool], message: str) -> None:
    for function in (calibration_slope, calibration_intercept):
        with pytest.raises(UndefinedMetric, match=message):
            function(confidence, correct)


def test_draws_that_part_the_answers_leave_the_interval_undefined() -> None:
    confidence, correct = [0.9, 0.8, 0.7, 0.6], [True, False, True, False]
    found = calibration_estimates(confidence, correct, draws=100, metrics=LINE)["calibration_slope"]
    assert found.value == pytest.approx(calibration_slope(confidence, correct))
    assert found.low is None
    assert "undefined in" in str(found.reason)


def test_a_far_start_does_not_overshoot() -> None:
    # One wrong answer among a thousand sure ones, and next to no overlap.
    confidence = np.append(np.linspace(0.9, 0.9999999, 1000), [0.1, 0.91])
    correct = np.append(np.ones(1000, bool), [False, False])
    assert calibration_slope(confidence, correct) == pytest.approx(peer(confidence, correct)[1], rel=1e-5)
