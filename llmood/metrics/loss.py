"""A mean of answers with its interval, and what a metric loses from one population to another."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.base import Metric
from llmood.metrics.counts import Counts, Ranking
from llmood.metrics.drawn_interval import interval_where_defined, unlabelled_interval
from llmood.metrics.exact import zero_rate_bound
from llmood.metrics.inputs import BoolArray, FloatArray, UndefinedMetric, check_errors, check_values
from llmood.metrics.interval import Interval, check_level
from llmood.metrics.pooled import UnlabelledResamples
from llmood.metrics.resample import Resamples, WeightArray

Groups = Sequence[Hashable | None]


def mean_interval(
    values: ArrayLike,
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean of values in [0, 1] (n,), accuracy say, with its percentile interval; groups are drawn whole.

    At 0 or 1, where every resample repeats it, the Clopper-Pearson bound of as many groups.

    Raises:
        UndefinedMetric: there are none.
    """
    array = check_values(values, "values")
    if not len(array):
        raise UndefinedMetric("no samples")
    value = float(array.mean())
    if value in (0.0, 1.0):
        resamples = UnlabelledResamples(len(array), groups, draws=draws, seed=seed)
        slack = zero_rate_bound(resamples.groups.n_negative, check_level(level))
        low, high = (0.0, slack) if value == 0.0 else (1.0 - slack, 1.0)
        return Interval(value, low, high, level, "clopper_pearson", 0)
    return mean_bootstrap(array, groups=groups, draws=draws, level=level, seed=seed)


def mean_bootstrap(
    values: ArrayLike,
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean of any values (n,) with its percentile interval; groups are drawn whole.

    Raises:
        UndefinedMetric: there are none.
    """
    check_level(level)
    array = check_values(values, "values")
    if not len(array):
        raise UndefinedMetric("no samples")
    value = float(array.mean())

    def drawn(weights: WeightArray) -> FloatArray:
        return np.asarray((weights @ array) / weights.sum(axis=1))

    return unlabelled_interval(value, drawn, len(array), groups, draws=draws, level=level, seed=seed)


def metric_loss(
    metric: Metric,
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """metric(first) − metric(second) of one scorer, where the metric is a function of ranks and errors.

    Each population is resampled to its own size, and a group that spans both moves both (`Resamples`). A resample in
    which a population has no wrong or no right answer is left out: the interval is conditional on there being both.

    Args:
        metric: one with a vectorised form.
        first, second: (scores (n,), which answers are wrong (n,) bool) of each population.
        groups: (n₁ + n₂) of the first, then of the second.

    Raises:
        ValueError: NaN, wrong shapes, or a metric without a vectorised form.
        UndefinedMetric: a population has no wrong or no right answer.
    """
    vectorised = metric.vectorised
    if vectorised is None:
        raise ValueError(f"{metric.id} has no vectorised form")
    rankings = [Ranking(scores, check_errors(wrong)) for scores, wrong in (first, second)]
    values = [float(metric(scores, wrong)) for scores, wrong in (first, second)]

    def each(weights: WeightArray, split: int) -> FloatArray:
        parts = zip(rankings, (weights[:, :split], weights[:, split:]), strict=True)
        return np.array([_drawn(vectorised, ranking, part) for ranking, part in parts])

    sizes = (len(rankings[0].scores), len(rankings[1].scores))
    return _interval(values, sizes, each, groups=groups, draws=draws, level=level, seed=seed)


def mean_loss(
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: Groups | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """mean(first) − mean(second), of accuracy say; resampled as in `metric_loss`.

    Raises:
        UndefinedMetric: one of them is empty.
        ValueError: one isn't of shape (n,), or holds NaN.
    """
    values = [check_values(array, name) for array, name in ((first, "first"), (second, "second"))]
    if not all(len(array) for array in values):
        raise UndefinedMetric("no samples")

    def each(weights: WeightArray, split: int) -> FloatArray:
        parts = zip(values, (weights[:, :split], weights[:, split:]), strict=True)
        return np.array([(part @ array) / part.sum(axis=1) for array, part in parts])

    means = [float(array.mean()) for array in values]
    return _interval(
        means, (len(values[0]), len(values[1])), each, groups=groups, draws=draws, level=level, seed=seed
    )


def _interval(
    values: Sequence[float],
    sizes: tuple[int, int],
    each: Callable[[WeightArray, int], FloatArray],
    *,
    groups: Groups | None,
    draws: int,
    level: float,
    seed: int,
) -> Interval:
    check_level(level)
    value = values[0] - values[1]
    resamples = Resamples(np.repeat([False, True], sizes), groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        reason = "the samples are of too few independent groups to resample"
        return Interval(value, None, None, level, None, 0, reason)
    found = np.concatenate([each(weights, sizes[0]) for weights in resamples.chunks()], axis=1)
    return interval_where_defined(value, found[0] - found[1], level, lacking="are right or wrong")


def _drawn(vectorised: Callable[[Counts], FloatArray], ranking: Ranking, weights: WeightArray) -> FloatArray:
    """The metric in each resample, NaN where there is no wrong or no right answer."""
    counts = ranking.counts(weights)
    defined: BoolArray = (counts.positives > 0) & (counts.negatives > 0)
    values = np.full(len(weights), np.nan)
    values[defined] = vectorised(Counts(tp=counts.tp[defined], fp=counts.fp[defined]))
    return values
