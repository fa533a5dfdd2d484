"""The prediction rejection ratio, for answers that are right or wrong and for graded ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.drawn_interval import unlabelled_interval
from llmood.metrics.inputs import FloatArray, IntArray, UndefinedMetric, check_values
from llmood.metrics.interval import Interval, check_level
from llmood.metrics.risk_coverage import risk_coverage_area
from llmood.metrics.selective import binary_prr


def prr(uncertainty: ArrayLike, quality: ArrayLike) -> float:
    """Prediction rejection ratio: (A_random − A) / (A_random − A_oracle), untruncated.

    A is the area under the risk–coverage curve with risk 1 − quality (`aurc` for answers that are right or wrong), in
    expectation over the order of ties. A random order has the mean risk at every coverage; the oracle accepts by
    falling quality. A constant score has 0, the oracle's order 1, and an order worse than chance is negative.

    Source: Malinin and Gales, "Uncertainty Estimation in Autoregressive Structured Prediction" (ICLR 2021).

    Args:
        uncertainty: (n,), higher is less sure; infinities rank.
        quality: (n,) bool, or float in [0, 1].

    Raises:
        ValueError: NaN, wrong shapes, a quality outside [0, 1].
        UndefinedMetric: no samples, or all of the same quality.
    """
    if np.asarray(quality).dtype == np.bool_:
        return binary_prr(uncertainty, quality)
    return float(_Graded(uncertainty, quality).prr())


def prr_interval(
    uncertainty: ArrayLike,
    quality: ArrayLike,
    *,
    groups: Sequence[Hashable | None] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`prr` of graded answers with its percentile interval; of right and wrong ones, ask `bootstrap_interval("prr")`.

    Args:
        groups, draws, level, seed: as of `bootstrap_interval`.

    Raises:
        ValueError, UndefinedMetric: as `prr`, and where a resample leaves it undefined.
    """
    check_level(level)
    graded = _Graded(uncertainty, quality)
    value = float(graded.prr())
    size = len(graded.risk)
    return unlabelled_interval(value, graded.prr, size, groups, draws=draws, level=level, seed=seed)


class _Graded:
    """Answers in the order of their uncertainty and in the oracle's, ready to be summed under any weights."""

    def __init__(self, uncertainty: ArrayLike, quality: ArrayLike) -> None:
        values, grades = check_values(uncertainty, "uncertainty"), check_values(quality, "quality")
        if values.shape != grades.shape:
            raise ValueError(f"uncertainty and quality differ in shape: {values.shape} and {grades.shape}")
        if ((grades < 0.0) | (grades > 1.0)).any():
            raise ValueError("quality must lie in [0, 1]")
        if not len(grades):
            raise UndefinedMetric("no samples")
        if grades.min() == grades.max():
            raise UndefinedMetric("every answer has the same quality: there is no better or worse to tell")
        self.risk = 1.0 - grades
        # Sorted by risk within ties, so that sums come out the same whatever the order of the rows.
        self._by_score = _order(values, self.risk)
        self._by_risk = _order(self.risk, self.risk)

    def prr(self, weights: NDArray[np.integer] | None = None) -> FloatArray:
        """Weights (..., n), None for once each, to (...); NaN where all that was drawn has one quality."""
        drawn = np.ones(len(self.risk), dtype=np.int64) if weights is None else weights
        area, best = (self._area(drawn, *order) for order in (self._by_score, self._by_risk))
        chance = _area_of_one_tie(self._by_score[0], self.risk, drawn)
        gain = chance - best
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: FloatArray = np.where(gain > 1e-12, (chance - area) / gain, np.nan)
        return ratio

    def _area(
        self, weights: NDArray[np.integer], order: NDArray[np.intp], ends: NDArray[np.intp]
    ) -> FloatArray:
        drawn = weights.take(order, axis=-1)
        accepted: IntArray = _cumulated(drawn.astype(np.int64)).take(ends, axis=-1)
        return risk_coverage_area(accepted, _cumulated(drawn * self.risk[order]).take(ends, axis=-1))


def _order(keys: FloatArray, risk: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows by rising key, and where each group of equal keys ends, 0 first."""
    order = np.lexsort((risk, keys))
    ranked = keys[order]
    last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
    return order, np.append(0, np.flatnonzero(last_of_ties) + 1)


def _area_of_one_tie(order: NDArray[np.intp], risk: FloatArray, weights: NDArray[np.integer]) -> FloatArray:
    """The mean risk, summed in the same order as the area, so that a constant score has exactly this area."""
    drawn = weights.take(order, axis=-1)
    mean: FloatArray = _cumulated(drawn * risk[order])[..., -1] / drawn.sum(axis=-1)
    return mean


def _cumulated(values: NDArray[Any]) -> NDArray[Any]:
    """Cumulative sums along the last axis, 0 first."""
    return np.concatenate([np.zeros_like(values[..., :1]), np.cumsum(values, axis=-1)], axis=-1)
