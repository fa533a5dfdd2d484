"""Does what a mean loses under shifts go with something that is known of each shift?"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.correlation import pearson, spearman
from llmood.metrics.drawn_interval import interval_where_defined
from llmood.metrics.inputs import FloatArray, UndefinedMetric, check_values
from llmood.metrics.interval import Interval, check_level
from llmood.metrics.pooled import UnlabelledResamples

LEAST_SHIFTS = 3  # two points always lie on a line
CORRELATIONS: Mapping[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "pearson": pearson,
    "spearman": spearman,
}


def loss_correlations(
    values: ArrayLike,
    population: NDArray[np.integer],
    known: ArrayLike,
    *,
    groups: Sequence[Hashable | None] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Correlations, over shifts s, of what is known of each with mean_ID − mean_s, and percentile intervals.

    Rows are resampled, groups whole, over all populations at once; what is known of the shifts stays. The intervals
    say what other rows of these shifts would give, and nothing of other shifts.

    Args:
        values: (n,).
        population: (n,), 0 for ID, s for the s-th shift from 1; each with rows.
        known: (S,).
        groups, draws, level, seed: as of `bootstrap_interval`.

    Raises:
        ValueError: NaN, wrong shapes, a population without rows, a level outside (0, 1).
        UndefinedMetric: fewer than `LEAST_SHIFTS` shifts, or nothing varies over them.
    """
    check_level(level)
    array, fixed = check_values(values, "values"), check_values(known, "known")
    sizes = np.bincount(population, minlength=len(fixed) + 1)
    if len(population) != len(array) or len(sizes) != len(fixed) + 1 or not sizes.all():
        raise ValueError("population must name, a row, ID or one of the shifts, and each of them somewhere")
    if len(fixed) < LEAST_SHIFTS:
        raise UndefinedMetric(f"a correlation takes {LEAST_SHIFTS} shifts or more, not {len(fixed)}")
    means = np.bincount(population, weights=array) / sizes
    points = {name: of(fixed, means[0] - means[1:]) for name, of in CORRELATIONS.items()}
    resamples = UnlabelledResamples(len(array), groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        reason = resamples.degenerate
        return {name: Interval(value, None, None, level, None, 0, reason) for name, value in points.items()}
    losses = np.concatenate([_losses(each, array, population, len(sizes)) for each in resamples.chunks()])
    drawn = {name: np.array([_one(name, fixed, row) for row in losses]) for name in points}
    return {
        name: interval_where_defined(value, drawn[name], level, lacking="samples")
        for name, value in points.items()
    }


def _losses(
    weights: NDArray[np.int32], values: FloatArray, population: NDArray[np.integer], count: int
) -> FloatArray:
    """mean_ID − mean_s in each resample, (draws, S); NaN where one has no row."""
    member = np.eye(count)[population]
    drawn = weights.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (drawn @ (member * values[:, None])) / (drawn @ member)
    return np.asarray(means[:, :1] - means[:, 1:])


def _one(name: str, known: FloatArray, row: FloatArray) -> float:
    if not np.isfinite(row).all():
        return float("nan")
    try:
        return CORRELATIONS[name](known, row)
    except UndefinedMetric:
        return float("nan")
