"""Which scorer is better, and could these data have shown it?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.base import Metric, resolve_metric
from llmood.metrics.inputs import FloatArray, UndefinedMetric, check_scored, check_values
from llmood.metrics.interval import Groups, check_level, percentile_ends
from llmood.metrics.pooled import resamples_for
from llmood.metrics.resample import MetricLike, Resamples, metric_draws


@dataclass(frozen=True)
class Difference:
    """The metric of one scorer minus that of another on the same samples.

    Attributes:
        value: the difference on the data as they are.
        low: lower end of the percentile interval.
        high: upper end of the percentile interval.
        p_value: two-sided, never below 2 / (draws + 1).
        level: the confidence level.
        draws: how many resamples there were.
        standard_error: standard deviation of the difference over the draws.
    """

    value: float
    low: float
    high: float
    p_value: float
    level: float
    draws: int
    standard_error: float


@dataclass(frozen=True)
class Ranked:
    """One scorer's place.

    Attributes:
        value: its metric.
        best: it is the best, or these samples can't tell it from the best at this level after Holm's
            correction.
        leads: it has the best value; exactly one scorer does.
        p_value: of its difference from the leader, adjusted after Holm; None for the leader.
        difference: leader minus this scorer; None for the leader.
    """

    value: float
    best: bool
    leads: bool
    p_value: float | None
    difference: Difference | None


def paired_difference(
    metric: str | MetricLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    is_ood: ArrayLike,
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """metric(a) − metric(b) by paired bootstrap: both scorers see the same draws of the same samples.

    The p-value is twice the smaller share of draws on either side of 0, ties with 0 on both sides, one added
    above and below so that it is never 0.

    Args:
        metric: a registered id, a `Metric`, or any callable of (scores, is_ood).
        scores_a: (n,), higher is more OOD.
        scores_b: (n,), the other scorer on the same samples: drop what either left unscored.
        is_ood: (n,) bool; of a metric of errors (`Metric.pooled`), which answers are wrong.
        groups: as in `bootstrap_interval`.
        draws: how many resamples.
        level: confidence level in (0, 1).
        seed: the run's seed.

    Raises:
        ValueError: NaN, wrong shapes.
        UndefinedMetric: one population only, or one of too few groups to resample.
    """
    check_level(level)
    resolved = resolve_metric(metric) if isinstance(metric, str) else metric
    resamples = resamples_for([resolved], is_ood, groups, draws=draws, seed=seed)
    values, drawn = _paired(resolved, [scores_a, scores_b], resamples)
    return _difference(values[0] - values[1], drawn[0] - drawn[1], level)


def rank_scorers(
    metric: str | Metric,
    scorers: Mapping[str, ArrayLike],
    is_ood: ArrayLike,
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Ranked]:
    """For each scorer, whether it is the best or ties with the best after Holm's correction.

    The leader is compared with every other scorer by paired bootstrap. Where there are so many scorers that
    `draws` resamples couldn't show any difference after the correction, more are drawn; `Difference.draws`
    says how many.

    Args:
        metric: a registered id or a `Metric`; its `higher_is_better` says which way is better.
        scorers: id to scores (n,), all over the same samples.
        is_ood: (n,) bool; of a metric of errors (`Metric.pooled`), which answers are wrong.
        groups: as in `bootstrap_interval`.
        draws: how many resamples at least.
        level: a scorer ties with the leader unless its adjusted p-value is at most 1 − level.
        seed: the run's seed.

    Raises:
        ValueError: no scorers, NaN, wrong shapes.
        UndefinedMetric: one population only, or one of too few groups to resample.
    """
    if not scorers:
        raise ValueError("no scorers to rank")
    resolved = resolve_metric(metric)
    alpha = 1.0 - check_level(level)
    # Holm multiplies the smallest possible p-value, 2 / (draws + 1), by the comparisons; 4 leaves some room.
    needed = math.ceil(4 * (len(scorers) - 1) / alpha)
    resamples = resamples_for([resolved], is_ood, groups, draws=max(draws, needed), seed=seed)
    values, drawn = _paired(resolved, list(scorers.values()), resamples)
    leader = int(np.argmax(values) if resolved.higher_is_better else np.argmin(values))
    differences = {
        name: _difference(values[leader] - values[i], drawn[leader] - drawn[i], level)
        for i, name in enumerate(scorers)
        if i != leader
    }
    p_values = holm([difference.p_value for difference in differences.values()]).tolist()
    adjusted = dict(zip(differences, p_values, strict=True))
    return {
        name: Ranked(
            value=value,
            best=adjusted.get(name, 1.0) > alpha,
            leads=name not in differences,
            p_value=adjusted.get(name),
            difference=differences.get(name),
        )
        for name, value in zip(scorers, values, strict=True)
    }


def holm(p_values: Sequence[float] | FloatArray) -> FloatArray:
    """Holm's step-down adjusted p-values, (m,) to (m,) in the order given; reject those at most α.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).

    Raises:
        ValueError: NaN, or a value outside [0, 1].
    """
    p = check_values(p_values, "p_values")
    if ((p < 0.0) | (p > 1.0)).any():
        raise ValueError("p_values must lie in [0, 1]")
    order = np.argsort(p, kind="stable")
    # The smallest is multiplied by m, the next by m − 1; none may come out below its predecessor.
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def smallest_detectable_difference(standard_error: float, level: float = 0.95, power: float = 0.8) -> float:
    """The true difference that a two-sided test at this level finds with this power: (z₁₋α/₂ + z_power)·SE.

    Args:
        standard_error: of the difference (`Difference.standard_error`).
        level: confidence level in (0, 1).
        power: chance of finding it, in (0, 1).

    Raises:
        ValueError: a negative or NaN standard error.
        UndefinedMetric: a standard error of 0, which says that resampling saw nothing, not that nothing
            escapes it.
    """
    if not standard_error >= 0.0:
        raise ValueError(f"standard_error must be at least 0, not {standard_error}")
    if standard_error == 0.0:
        raise UndefinedMetric(
            "every resample gave the same difference: what these data could show is unknown"
        )
    normal = NormalDist()
    return (normal.inv_cdf((1.0 + check_level(level)) / 2.0) + normal.inv_cdf(power)) * standard_error


def _paired(
    metric: MetricLike, scores: Sequence[ArrayLike], resamples: Resamples
) -> tuple[list[float], FloatArray]:
    checked = [check_scored(each, resamples.is_positive) for each in scores]
    if resamples.degenerate is not None:
        raise UndefinedMetric(resamples.degenerate)
    values = [float(metric(each, labels)) for each, labels in checked]
    return values, metric_draws([metric], scores, resamples)[:, 0]


def _difference(value: float, drawn: FloatArray, level: float) -> Difference:
    low, high = percentile_ends(drawn, level)
    tail = min(int((drawn <= 0.0).sum()), int((drawn >= 0.0).sum()))
    p_value = min(1.0, 2.0 * (tail + 1) / (len(drawn) + 1))
    # One draw has no spread to estimate.
    error = float(drawn.std(ddof=1)) if len(drawn) > 1 else 0.0
    return Difference(value, low, high, p_value, level, len(drawn), error)
