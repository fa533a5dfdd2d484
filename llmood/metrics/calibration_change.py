"""What another confidence for the same answers changes: metric after − metric before, on paired resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.calibration_base import CalibrationMetric, Confidences, Resampled, labelled
from llmood.metrics.calibration_interval import BIASED, ONE_CLASS, Estimate
from llmood.metrics.inputs import FloatArray, UndefinedMetric
from llmood.metrics.interval import Groups, check_level, percentile_ends
from llmood.metrics.pooled import PooledResamples

PAIRED = "paired_percentile"
STILL_BIASED = f"{BIASED}; their difference can't tell what noise gave to each"


def calibration_changes(
    before: ArrayLike,
    after: Mapping[str, ArrayLike],
    correct: ArrayLike,
    metrics: Sequence[CalibrationMetric],
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[tuple[str, str], Estimate]:
    """metric(after) − metric(before) by (name of `after`, metric's id), each resample having both of the same answers.

    The resamples are those of `calibration_estimates` with the same seed: an end of the interval is not the difference
    of two ends, since both move together. A biased metric has no interval here either.

    Args:
        before: (n,) in [0, 1].
        after: further confidences of the same answers, (n,) each.
        correct: (n,) bool.
        groups, draws, level, seed: as of `bootstrap_interval`.

    Returns:
        Without a value, and with the reason, where a metric is undefined of one of the two.

    Raises:
        ValueError: NaN, wrong shapes, a confidence outside [0, 1], a level outside (0, 1).
        UndefinedMetric: no samples.
    """
    check_level(level)
    held, labels = labelled(before, correct)
    others = {name: labelled(each, correct)[0] for name, each in after.items()}
    found, resampled = {}, []
    for name, other in others.items():
        for metric in metrics:
            value, reason = _change(metric, held, other, labels)
            found[name, metric.id] = Estimate(value, level, reason)
            if value is not None and not metric.is_biased:
                resampled.append((name, metric))
    drawn, degenerate = _draws(held, others, labels, resampled, groups=groups, draws=draws, seed=seed)
    for name, metric in resampled:
        key = (name, metric.id)
        value = found[key].value
        if key not in drawn:
            found[key] = Estimate(value, level, degenerate)
            continue
        low, high = percentile_ends(drawn[key], level)
        found[key] = Estimate(value, level, None, low, high, PAIRED, len(drawn[key]))
    return found


def _change(
    metric: CalibrationMetric, before: Confidences, after: Confidences, labels: FloatArray
) -> tuple[float | None, str | None]:
    values = []
    for when, held in (("before", before), ("after", after)):
        try:
            values.append(float(metric(held.values, labels == 1.0)))
        except UndefinedMetric as error:
            return None, f"{when} calibration, {error.reason}"
    return values[1] - values[0], STILL_BIASED if metric.is_biased else None


def _draws(
    before: Confidences,
    after: Mapping[str, Confidences],
    labels: FloatArray,
    asked: Sequence[tuple[str, CalibrationMetric]],
    *,
    groups: Groups | None,
    draws: int,
    seed: int,
) -> tuple[dict[tuple[str, str], FloatArray], str | None]:
    """Each change in each resample, (draws,); or none, and why."""
    if labels.min() == labels.max():
        return {}, ONE_CLASS.format("right" if labels[0] else "wrong")
    resamples = PooledResamples(labels == 0.0, groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        return {}, resamples.degenerate
    found: dict[tuple[str, str], list[FloatArray]] = {(name, metric.id): [] for name, metric in asked}
    for drawn in resamples.chunks() if asked else ():
        weights = drawn.astype(np.float64)
        old = Resampled(before, labels, weights)
        new = {name: Resampled(held, labels, weights) for name, held in after.items()}
        for name, metric in asked:
            if metric.of_weights is not None:
                found[name, metric.id].append(metric.of_weights(new[name]) - metric.of_weights(old))
    return {key: np.concatenate(chunks) for key, chunks in found.items() if chunks}, None
