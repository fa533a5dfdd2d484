"""All calibration metrics of one scorer on one population, each with the uncertainty that it can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.calibration_band import Band, perfect_calibration_band
from llmood.metrics.calibration_base import (
    CalibrationMetric,
    Confidences,
    Resampled,
    calibration_metrics,
    labelled,
)
from llmood.metrics.inputs import FloatArray, UndefinedMetric
from llmood.metrics.interval import Groups, check_level, percentile_ends
from llmood.metrics.pooled import PooledResamples

BIASED = "noise can only enlarge it: read the debiased value and the band of perfect calibration"
ONE_CLASS = "every answer is {}: resampling can't show its spread"


@dataclass(frozen=True)
class Estimate:
    """A calibration metric and how far to trust it.

    Attributes:
        value: the metric on the data as they are; None where they don't define it.
        reason: why there is no value, or no interval; None where there are both.
        low, high: the percentile interval; None for a biased metric.
        level: the confidence level of the interval and of the band.
        method: "percentile" where there is an interval.
        draws: how many resamples the interval has; 0 without one.
        debiased: of a biased metric, the value less an estimate of its bias.
        band: of a biased metric, where perfect calibration would put it.
    """

    value: float | None
    level: float
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    method: str | None = None
    draws: int = 0
    debiased: float | None = None
    band: Band | None = None


def calibration_estimates(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    metrics: Sequence[CalibrationMetric] | None = None,
) -> dict[str, Estimate]:
    """Every calibration metric by id; never an exception for one that these data don't define, but its reason.

    Samples are resampled as one population, groups whole (`PooledResamples`: the same draws as of error detection with
    the same seed). The band takes answers as independent (see `perfect_calibration_band`).

    Args:
        confidence: (n,) in [0, 1].
        correct: (n,) bool.
        groups, draws, level, seed: as of `bootstrap_interval`.
        metrics: which; by default all.

    Raises:
        ValueError: NaN, wrong shapes, a confidence outside [0, 1], a level outside (0, 1).
        UndefinedMetric: no samples.
    """
    check_level(level)
    held, labels = labelled(confidence, correct)
    values = held.values
    right = labels == 1.0
    asked = list(calibration_metrics() if metrics is None else metrics)
    points = {metric.id: _point(metric, values, right) for metric in asked}
    bands = perfect_calibration_band(
        values, draws, level, seed, [metric for metric in asked if metric.is_biased]
    )
    resampled = [m for m in asked if not m.is_biased and points[m.id][0] is not None]
    drawn, degenerate = _draws(resampled, held, right, groups, draws, seed)
    found = {}
    for metric in asked:
        value, reason = points[metric.id]
        if value is None:
            found[metric.id] = Estimate(None, level, reason)
        elif metric.debiased is not None:
            debiased = metric.debiased(values, right)
            found[metric.id] = Estimate(value, level, BIASED, debiased=debiased, band=bands[metric.id])
        elif metric.id not in drawn:
            found[metric.id] = Estimate(value, level, degenerate)
        else:
            found[metric.id] = _interval(value, drawn[metric.id], level)
    return found


def _point(
    metric: CalibrationMetric, values: FloatArray, right: ArrayLike
) -> tuple[float | None, str | None]:
    try:
        return float(metric(values, right)), None
    except UndefinedMetric as error:
        return None, error.reason


def _draws(
    metrics: Sequence[CalibrationMetric],
    held: Confidences,
    right: ArrayLike,
    groups: Groups | None,
    draws: int,
    seed: int,
) -> tuple[dict[str, FloatArray], str | None]:
    """Each metric on each resample, (draws,); or none, and why."""
    labels = np.asarray(right, dtype=np.float64)
    if labels.min() == labels.max():
        return {}, ONE_CLASS.format("right" if labels[0] else "wrong")
    resamples = PooledResamples(labels == 0.0, groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        return {}, resamples.degenerate
    found: dict[str, list[FloatArray]] = {metric.id: [] for metric in metrics}
    for weights in resamples.chunks():
        resampled = Resampled(held, labels, weights.astype(np.float64))
        for metric in metrics:
            if metric.of_weights is not None:
                found[metric.id].append(metric.of_weights(resampled))
    return {name: np.concatenate(chunks) for name, chunks in found.items() if chunks}, None


def _interval(value: float, drawn: FloatArray, level: float) -> Estimate:
    try:
        low, high = percentile_ends(drawn, level)
    except UndefinedMetric as error:
        return Estimate(value, level, error.reason)
    return Estimate(value, level, None, low, high, "percentile", len(drawn))
