"""Sort once, count many times: every ranking metric is a function of cumulative counts per threshold.

The scores are sorted once and tied scores collapse to one threshold. A resample is then only another vector
of integer weights, so that a whole bootstrap is one cumulative sum over a (draws, n) matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.inputs import BoolArray, FloatArray, IntArray, check_scored


@dataclass(frozen=True, eq=False)
class Counts:
    """Cumulative counts at T falling thresholds, the first of which flags nothing and the last everything.

    Attributes:
        tp: int64 (..., T), the positives at or above each threshold.
        fp: int64 (..., T), the negatives at or above each threshold.

    Leading axes are resamples; the point estimate has none.
    """

    tp: IntArray
    fp: IntArray

    @property
    def positives(self) -> IntArray:
        """All positives, (...)."""
        total: IntArray = self.tp[..., -1]
        return total

    @property
    def negatives(self) -> IntArray:
        """All negatives, (...)."""
        total: IntArray = self.fp[..., -1]
        return total

    def flipped(self) -> Counts:
        """The counts with the classes swapped and the scores negated: what ranks ID as the positive class."""
        return Counts(tp=self.fp[..., -1:] - self.fp[..., ::-1], fp=self.tp[..., -1:] - self.tp[..., ::-1])


class Ranking:
    """The order of some scores, ready to be counted under any weights.

    Args:
        scores: (n,), higher is more OOD; infinities rank, NaN raises ValueError.
        is_ood: (n,) bool; OOD is the positive class.

    Raises:
        ValueError: wrong shapes or types, NaN.
        UndefinedMetric: no samples, or one population only.
    """

    def __init__(self, scores: ArrayLike, is_ood: ArrayLike) -> None:
        self.scores: FloatArray
        self.is_positive: BoolArray
        self.scores, self.is_positive = check_scored(scores, is_ood)
        self._order = np.argsort(-self.scores, kind="stable")
        ranked = self.scores[self._order]
        last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
        # Position 0 is the threshold above every score.
        self._ends = np.append(0, np.flatnonzero(last_of_ties) + 1)
        self._positive = self.is_positive[self._order].astype(np.int32)

    def counts(self, weights: NDArray[np.integer] | None = None) -> Counts:
        """The counts of the samples as they are, or of resamples.

        Args:
            weights: int (..., n), how often each sample occurs, in the order of `scores`; None is once each.
        """
        if weights is None:
            ranked: NDArray[np.integer] = np.ones(len(self._order), dtype=np.int32)
        else:
            ranked = weights.take(self._order, axis=-1)
        total = self._cumulate(ranked)
        tp = self._cumulate(ranked * self._positive)
        return Counts(tp=tp, fp=total - tp)

    def _cumulate(self, ranked: NDArray[np.integer]) -> IntArray:
        cumulative = np.zeros((*ranked.shape[:-1], ranked.shape[-1] + 1), dtype=np.int64)
        np.cumsum(ranked, axis=-1, out=cumulative[..., 1:])
        if len(self._ends) == cumulative.shape[-1]:
            return cumulative
        return cumulative.take(self._ends, axis=-1)
