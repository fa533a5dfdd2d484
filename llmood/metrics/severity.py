"""How far a score moves as texts are shifted, in standard deviations of the ID scores."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.inputs import FloatArray, UndefinedMetric, check_values
from llmood.metrics.interval import Interval, check_level, percentile_ends
from llmood.metrics.resample import Resamples

# A variance below this share of the mean square is rounding: the scores of that resample are all the same.
ROUNDING = 1e-12


def score_shift(id_scores: ArrayLike, shifted: ArrayLike, parents: ArrayLike | None = None) -> float:
    """(mean(shifted) − mean(unshifted)) / sd(ID scores): above 0, the shift makes samples look more OOD.

    The unshifted are the samples that the shifted ones were made from, one each; without them, the ID samples. Glass's
    Δ (Glass, Educational Researcher 5, 1976), whose spread is that of the reference group alone.

    Args:
        id_scores: (m,), higher is more OOD.
        shifted: (k,).
        parents: (k,) the score of the sample that each shifted one was made from.

    Raises:
        ValueError: NaN, or shapes that differ.
        UndefinedMetric: under two ID samples, no shifted one, an infinite score, or ID scores that are all the same.
    """
    id_values, moved = _check(id_scores, shifted, parents)
    return float(moved.mean() / id_values.std(ddof=1))


def score_shift_interval(
    id_scores: ArrayLike,
    shifted: ArrayLike,
    parents: ArrayLike | None = None,
    *,
    groups: Sequence[Hashable | None] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`score_shift` with its percentile interval.

    Args:
        groups: (m + k,) what each sample was cut from, ID first. A shifted sample is of its parent's group, and is
            drawn with it (see `Resamples`).
        draws, level, seed: as of `bootstrap_interval`.

    Raises:
        ValueError, UndefinedMetric: as `score_shift`, and where resamples leave it undefined.
    """
    check_level(level)
    id_values, moved = _check(id_scores, shifted, parents)
    value = float(moved.mean() / id_values.std(ddof=1))
    resamples = Resamples(
        np.repeat([False, True], [len(id_values), len(moved)]), groups, draws=draws, seed=seed
    )
    if resamples.degenerate is not None:
        return Interval(value, None, None, level, None, 0, resamples.degenerate)
    chunks = [
        _shifts(weights.astype(np.float64), id_values, moved, paired=parents is not None)
        for weights in resamples.chunks()
    ]
    low, high = percentile_ends(np.concatenate(chunks), level)
    return Interval(value, low, high, level, "percentile", draws)


def _check(
    id_scores: ArrayLike, shifted: ArrayLike, parents: ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """The ID scores about their mean, and how far each shifted sample moved."""
    id_values, values = check_values(id_scores, "id_scores"), check_values(shifted, "shifted")
    origin = None if parents is None else check_values(parents, "parents")
    if origin is not None and origin.shape != values.shape:
        raise ValueError(f"shifted and parents differ in shape: {values.shape} and {origin.shape}")
    if len(id_values) < 2:
        raise UndefinedMetric("fewer than two ID samples: their scores have no spread")
    if not len(values):
        raise UndefinedMetric("no shifted samples")
    if not all(np.isfinite(array).all() for array in (id_values, values, origin) if array is not None):
        raise UndefinedMetric("a score is infinite: means are undefined")
    if np.ptp(id_values) == 0:
        raise UndefinedMetric("all ID scores are the same: there is no spread to measure by")
    mean = id_values.mean()
    return id_values - mean, values - (mean if origin is None else origin)


def _shifts(weights: FloatArray, id_values: FloatArray, moved: FloatArray, *, paired: bool) -> FloatArray:
    """The shift in each resample: weights (draws, m + k) to (draws,); NaN where the ID scores have no spread."""
    of_id, of_shifted = weights[:, : len(id_values)], weights[:, len(id_values) :]
    n, mean = of_id.sum(axis=1), (of_id @ id_values) / of_id.sum(axis=1)
    square = (of_id @ id_values**2) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (square - mean**2) * n / (n - 1)
        spread = np.sqrt(np.where(variance > ROUNDING * square, variance, np.nan))
        shift: FloatArray = (of_shifted @ moved) / of_shifted.sum(axis=1) - (0.0 if paired else mean)
        standardised: FloatArray = shift / spread
    return standardised
