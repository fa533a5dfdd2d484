"""Does a mean rise with the grade of a shift? The rank correlation of grades and the means of their samples."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.calibration_interval import Estimate
from llmood.metrics.correlation import spearman
from llmood.metrics.drawn_interval import interval_where_defined
from llmood.metrics.inputs import FloatArray, UndefinedMetric, check_values
from llmood.metrics.interval import check_level
from llmood.metrics.pooled import UnlabelledResamples

LEAST_GRADES = 3  # of two, one is above the other: always −1 or 1
PLACES = 12  # means that differ by rounding alone are equal


def grade_means(grade: ArrayLike, values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The grades, rising, and the mean of the values (n,) at each.

    Raises:
        ValueError: NaN, or shapes that differ.
    """
    grades, place, array = _check(grade, values)
    return grades, np.round(np.bincount(place, weights=array) / np.bincount(place), PLACES)


def rank_with_grade(grades: ArrayLike, values: ArrayLike) -> float:
    """Spearman's correlation of grades (S,) with what was found at each; 1 where it rises throughout.

    Raises:
        UndefinedMetric: fewer than `LEAST_GRADES` grades, or a value that never changes.
    """
    if len(np.asarray(grades)) < LEAST_GRADES:
        raise UndefinedMetric(
            f"answers at {len(np.asarray(grades))} grades, 0 among them: {LEAST_GRADES} are needed"
        )
    return spearman(grades, values)


def grade_rank_intervals(
    grade: ArrayLike,
    values: Mapping[str, ArrayLike],
    *,
    groups: Sequence[Hashable | None] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """`rank_with_grade` of the means of each of these values, with percentile intervals from the same resamples.

    A group is drawn whole: the grades of one sample move together. Resamples that lost a grade, or in which all means
    are equal, are left out. Of a few grades the correlation takes few values, and so do the ends of the interval.

    Args:
        grade: (n,) of each sample.
        values: by name, (n,) each.
        groups, draws, level, seed: as of `bootstrap_interval`.

    Raises:
        ValueError: NaN, wrong shapes, a level outside (0, 1).
    """
    check_level(level)
    checked = {name: _check(grade, each)[2] for name, each in values.items()}
    found = {name: _point(grade, each, level) for name, each in checked.items()}
    defined = {name: each.value for name, each in found.items() if each.value is not None}
    if not defined:
        return found
    grades, place, _ = _check(grade, checked[next(iter(defined))])
    resamples = UnlabelledResamples(len(place), groups, draws=draws, seed=seed)
    if resamples.degenerate is not None:
        return found | {name: replace(found[name], reason=resamples.degenerate) for name in defined}
    drawn = _drawn(resamples, np.eye(len(grades))[place], {name: checked[name] for name in defined})
    return found | {name: _with_interval(found[name], defined[name], each) for name, each in drawn.items()}


def _point(grade: ArrayLike, values: FloatArray, level: float) -> Estimate:
    try:
        return Estimate(rank_with_grade(*grade_means(grade, values)), level)
    except UndefinedMetric as error:
        return Estimate(None, level, error.reason)


def _drawn(
    resamples: UnlabelledResamples, member: FloatArray, values: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Of each value its correlation in each resample, (draws,); NaN where it is undefined."""
    found: dict[str, list[FloatArray]] = {name: [] for name in values}
    for drawn in resamples.chunks():
        weights = drawn.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = weights @ member
            for name, each in values.items():
                found[name].append(_ranked(np.round(weights @ (member * each[:, None]) / size, PLACES)))
    return {name: np.concatenate(chunks) for name, chunks in found.items()}


def _ranked(means: FloatArray) -> FloatArray:
    """Means (draws, S) at rising grades to the correlation of each draw."""
    from scipy.stats import rankdata  # here, so that importing metrics doesn't load scipy

    steps = means.shape[1]
    grades = 2.0 * np.arange(steps) - (steps - 1)
    ranks = 2.0 * rankdata(means, axis=1) - (steps + 1)
    square = (ranks**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = np.where(
            np.isnan(means).any(axis=1), np.nan, (ranks @ grades) / np.sqrt(square * (grades @ grades))
        )
    return found


def _with_interval(point: Estimate, value: float, drawn: FloatArray) -> Estimate:
    found = interval_where_defined(value, drawn, point.level, lacking="samples")
    return replace(
        point, low=found.low, high=found.high, method=found.method, draws=found.draws, reason=found.reason
    )


def _check(grade: ArrayLike, values: ArrayLike) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
    steps, array = check_values(grade, "grade"), check_values(values, "values")
    if steps.shape != array.shape:
        raise ValueError(f"grade and values differ in shape: {steps.shape} and {array.shape}")
    grades, place = np.unique(steps, return_inverse=True)
    return grades, place, array
