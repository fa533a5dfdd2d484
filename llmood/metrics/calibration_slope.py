"""Calibration slope and intercept: the line that puts the logits of confidences right. Inputs as in `calibration`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.calibration_base import Resampled, labelled, register_calibration
from llmood.metrics.inputs import BoolArray, FloatArray, UndefinedMetric

STEPS = 50  # of Newton's method; a handful are needed
LONGEST = 2.0  # step of either coefficient, of standardised logits: keeps a far start from overshooting
CLOSE = 1e-6  # a step this short leaves an error of its square


def calibration_slope(confidence: ArrayLike, correct: ArrayLike) -> float:
    """The b of the logistic regression logit P(correct) = a + b logit(confidence); 1 is best.

    Below 1, confidences are too extreme (over-confident above ½ and under-confident below); above 1, too timid; at 0
    they say nothing. By maximum likelihood, unpenalised. Source: Cox, "Two Further Applications of a Model for Binary
    Regression" (Biometrika 45, 1958).

    Raises:
        UndefinedMetric: a confidence of exactly 0 or 1, whose logit is infinite (nothing is clipped); all answers right
            or wrong; confidences all the same; or a confidence that parts right answers from wrong ones, so that the
            slope is infinite.
    """
    return _line(confidence, correct)[1]


def calibration_intercept(confidence: ArrayLike, correct: ArrayLike) -> float:
    """The a of the same regression, fitted together with the slope; 0 is best.

    It is the logit of the accuracy where the confidence is ½. (Others hold the slope at 1 and call that the intercept;
    for how far confidences are too high on the whole, see `mean_confidence_gap`.)

    Raises:
        UndefinedMetric: as `calibration_slope`.
    """
    return _line(confidence, correct)[0]


def _line(confidence: ArrayLike, correct: ArrayLike) -> tuple[float, float]:
    held, labels = labelled(confidence, correct)
    values = held.values
    certain = int(((values == 0.0) | (values == 1.0)).sum())
    if certain:
        raise UndefinedMetric(
            f"{certain} of {len(values)} confidences are exactly 0 or 1: their logits are infinite"
        )
    if labels.min() == labels.max():
        raise UndefinedMetric(
            f"every answer is {'right' if labels[0] else 'wrong'}: there is no slope to fit"
        )
    if values.min() == values.max():
        raise UndefinedMetric("all confidences are the same: they have no slope")
    intercept, slope = lines(Resampled(held, labels, np.ones((1, len(values)))))
    if np.isnan(slope[0]):
        raise UndefinedMetric(
            "a confidence parts the right answers from the wrong ones: the slope is infinite"
        )
    return float(intercept[0]), float(slope[0])


def lines(resampled: Resampled) -> tuple[FloatArray, FloatArray]:
    """The intercept and slope of each resample, (draws,) each; NaN where there is no finite one."""
    logits, order, starts = resampled.confidence.once(_columns)
    labels, weights = resampled.labels, resampled.weights
    total = np.add.reduceat(weights.take(order, axis=1), starts, axis=1)
    right = np.add.reduceat((weights * labels).take(order, axis=1), starts, axis=1)
    shift, scale = logits.mean(), logits.std()
    x = (logits - shift) / scale
    a, b = np.full((2, len(weights)), np.nan)
    left = np.flatnonzero(_overlap(right > 0.0, total > right))
    a[left], b[left] = 0.0, 0.0
    if len(left) > 1:  # all draws start from the mean of their counts, which is near each of them
        mean_right, mean_total = (part[left].mean(axis=0, keepdims=True) for part in (right, total))
        start_a, start_b = _newton(x, mean_right, mean_total, np.zeros(1), np.zeros(1))
        a[left], b[left] = start_a[0], start_b[0]
    a[left], b[left] = _newton(x, right[left], total[left], a[left], b[left])
    slope = b / scale
    return a - slope * shift, slope


def _columns(confidence: FloatArray) -> tuple[FloatArray, NDArray[np.intp], NDArray[np.intp]]:
    """The distinct logits, the rows in their order, and where each begins: calibrated confidences are often few."""
    logits = np.log(confidence) - np.log1p(-confidence)
    order = np.argsort(logits, kind="stable")
    starts = np.flatnonzero(np.diff(logits[order], prepend=-np.inf))
    return logits[order[starts]], order, starts


def _newton(
    x: FloatArray, right: FloatArray, total: FloatArray, a: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The coefficients from a start (k,); NaN where the steps don't end."""
    a, b, left = a.copy(), b.copy(), np.arange(len(a))
    for _ in range(STEPS):
        step_a, step_b = _step(x, right[left], total[left], a[left], b[left])
        a[left] += step_a
        b[left] += step_b
        left = left[np.maximum(np.abs(step_a), np.abs(step_b)) > CLOSE]
        if not len(left):
            break
    a[left], b[left] = np.nan, np.nan
    return a, b


def _step(
    x: FloatArray, right: FloatArray, total: FloatArray, a: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Newton's step for each of k resamples, sums of weights (k, m) at the logits x (m,)."""
    from scipy.special import expit

    p = expit(a[:, None] + b[:, None] * x)
    expected = total * p
    rest = right - expected
    curve = expected * (1.0 - p)
    g0, g1 = rest.sum(axis=1), rest @ x
    h00, h01, h11 = curve.sum(axis=1), curve @ x, curve @ x**2
    determinant = h00 * h11 - h01**2
    step_a, step_b = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
    shorten = LONGEST / np.maximum(LONGEST, np.maximum(np.abs(step_a), np.abs(step_b)))
    return step_a * shorten, step_b * shorten


def _overlap(has_right: BoolArray, has_wrong: BoolArray) -> BoolArray:
    """Whether some wrong answer is surer than a right one, and some right one surer than a wrong one: (k, m) to (k,).

    Else the likelihood rises for ever with the slope, or there is one class only.
    """
    last = has_right.shape[1] - 1
    lowest = [held.argmax(axis=1) for held in (has_right, has_wrong)]
    highest = [last - held[:, ::-1].argmax(axis=1) for held in (has_right, has_wrong)]
    both = has_right.any(axis=1) & has_wrong.any(axis=1)
    overlap: BoolArray = both & (highest[1] > lowest[0]) & (highest[0] > lowest[1])
    return overlap


def _intercepts(resampled: Resampled) -> FloatArray:
    return resampled.once(lines)[0]


def _slopes(resampled: Resampled) -> FloatArray:
    return resampled.once(lines)[1]


register_calibration(
    calibration_slope,
    description="slope of a logistic regression on logit(confidence): 1 is best, below 1 confidences are too extreme",
    title="Calibration slope",
    order=240,
    higher_is_better=None,
    bounds=(-np.inf, np.inf),
    ideal=1.0,
    of_weights=_slopes,
)
register_calibration(
    calibration_intercept,
    description="intercept of the same regression: 0 is best; the logit of the accuracy where the confidence is ½",
    title="Calibration intercept",
    order=241,
    higher_is_better=None,
    bounds=(-np.inf, np.inf),
    ideal=0.0,
    of_weights=_intercepts,
)
