"""Intervals: a two-sample percentile bootstrap, and bounds from theory where resampling would show no spread.

They are conditional on the fitted scorer and model: they say what other test samples would give, not what
another training run would.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.base import Bound, Metric, resolve_metric
from llmood.metrics.calibration_base import CalibrationMetric
from llmood.metrics.counts import Ranking
from llmood.metrics.inputs import FloatArray, UndefinedMetric
from llmood.metrics.pooled import resamples_for
from llmood.metrics.resample import MetricLike, Resamples, metric_draws

Groups = Sequence[Hashable | None]


@dataclass(frozen=True)
class Interval:
    """A value and how far other samples of the same populations might move it.

    Attributes:
        value: the metric on the data as they are.
        low: lower end; None where there is no interval.
        high: upper end; None where there is no interval.
        level: the confidence level.
        method: "percentile"; or "clopper_pearson" or "rule_of_three" where the value is at an end of its
            range: the percentile interval widened to that exact bound. None where there is no interval.
        draws: how many resamples there were.
        reason: why there is no interval, else None.
    """

    value: float
    low: float | None
    high: float | None
    level: float
    method: str | None
    draws: int
    reason: str | None = None


def bootstrap_interval(
    metric: str | MetricLike,
    scores: ArrayLike,
    is_ood: ArrayLike,
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The interval of one metric; ID and OOD are resampled separately (see `Resamples`), answers together.

    Args:
        metric: a registered id, a `Metric`, or any callable of (scores, is_ood), which is called once a draw.
        scores: (n,), higher is more OOD.
        is_ood: (n,) bool; of a metric of errors (`Metric.pooled`), which answers are wrong.
        groups: (n,) what each sample was cut from, None for a sample of its own; a group is drawn whole.
        draws: how many resamples.
        level: confidence level in (0, 1).
        seed: the run's seed; the same seed draws the same resamples for every scorer of the same samples.

    Raises:
        ValueError: NaN, wrong shapes, a level outside (0, 1).
        UndefinedMetric: one population only, or the metric is not finite on some draws (it says how many).
        UnknownNameError: no metric of that id.
    """
    resolved = resolve_metric(metric) if isinstance(metric, str) else metric
    resamples = resamples_for([resolved], is_ood, groups, draws=draws, seed=seed)
    return _intervals([resolved], scores, resamples, level)[0]


def bootstrap_intervals(
    metrics: Sequence[str | Metric],
    scores: ArrayLike,
    is_ood: ArrayLike,
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """The intervals of several metrics from the same draws, by id; otherwise as `bootstrap_interval`."""
    resolved = [resolve_metric(metric) for metric in metrics]
    resamples = resamples_for(resolved, is_ood, groups, draws=draws, seed=seed)
    intervals = _intervals(resolved, scores, resamples, level)
    return {metric.id: interval for metric, interval in zip(resolved, intervals, strict=True)}


def check_level(level: float) -> float:
    """`level` if it lies strictly between 0 and 1, else a ValueError."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    return level


def percentile_ends(drawn: FloatArray, level: float) -> tuple[float, float]:
    """The central `level` of the draws, (draws,) to its two ends.

    Raises:
        UndefinedMetric: draws that aren't finite; leaving them out would narrow the interval in silence.
    """
    undefined = int((~np.isfinite(drawn)).sum())
    if undefined:
        raise UndefinedMetric(f"the metric is undefined in {undefined} of {len(drawn)} resamples")
    low, high = np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def _intervals(
    metrics: Sequence[MetricLike], scores: ArrayLike, resamples: Resamples, level: float
) -> list[Interval]:
    check_level(level)
    for metric in metrics:
        if isinstance(metric, CalibrationMetric):
            raise ValueError(f"{metric.id} is of confidences: calibration_estimates says how sure it is")
    ranking = Ranking(scores, resamples.is_positive)
    values = [float(metric(ranking.scores, ranking.is_positive)) for metric in metrics]
    reason = resamples.degenerate
    if reason is not None:
        return [Interval(value, None, None, level, None, 0, reason) for value in values]
    drawn = metric_draws(metrics, [ranking.scores], resamples)[0]
    counts = ranking.counts()
    intervals = []
    for metric, value, row in zip(metrics, values, drawn, strict=True):
        exact = metric.exact if isinstance(metric, Metric) else None
        bound = exact(counts, resamples.groups, level) if exact else None
        intervals.append(_interval(value, row, bound, level))
    return intervals


def _interval(value: float, drawn: FloatArray, bound: Bound | None, level: float) -> Interval:
    low, high = percentile_ends(drawn, level)
    if bound is None:
        return Interval(value, low, high, level, "percentile", len(drawn))
    # The exact bound takes the threshold as given, the draws move it: keep whichever reaches further.
    return Interval(value, min(low, bound.low), max(high, bound.high), level, bound.method, len(drawn))
