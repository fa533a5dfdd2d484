"""Have scores moved since calibration? Kolmogorov–Smirnov and the population stability index, from counts.

Both need of any number of rows only how many lie below and at each calibration score: a million rows take as much
memory as the calibration scores do, and chunks in any order give the same numbers.

Sources: Kolmogorov–Smirnov as in Hodges, "The Significance Probability of the Smirnov Two-Sample Test" (1958); the
population stability index as in Yurdakul & Naranjo, "Statistical Properties of the Population Stability Index" (2020).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from llmood.measures.split_conformal import checked
from llmood.measures.token_statistics import Floats

BINS = 10
SMOOTHING = 0.5  # a row in each bin, so that an empty one has a logarithm


class Drift(NamedTuple):
    """A statistic, and the p-value of "drawn alike"."""

    statistic: float
    p_value: float


class Stability(NamedTuple):
    """The population stability index, and what it is expected to be where nothing moved."""

    value: float
    expected: float
    bins: int


class ScoreDrift:
    """Counts of rows among the calibration scores.

    Args:
        calibration: (n,), higher = more OOD, without NaN.
    """

    def __init__(self, calibration: ArrayLike) -> None:
        known = checked(calibration)
        if not len(known):
            raise ValueError("drift is measured against calibration scores, and there are none")
        self.known, self.known_counts = np.unique(known, return_counts=True)
        # Of rows between the calibration scores (0: below all), and equal to each.
        self.between = np.zeros(len(self.known) + 1, dtype=np.int64)
        self.equal = np.zeros(len(self.known), dtype=np.int64)

    @property
    def n(self) -> int:
        """How many rows were counted."""
        return int(self.between.sum() + self.equal.sum())

    def update(self, scores: ArrayLike) -> None:
        """Count a chunk of rows, (m,), without NaN."""
        values = checked(scores)
        left = np.searchsorted(self.known, values, side="left")
        right = np.searchsorted(self.known, values, side="right")
        self.equal += np.bincount(left[left < right], minlength=len(self.equal))
        self.between += np.bincount(left[left == right], minlength=len(self.between))

    def kolmogorov_smirnov(self) -> Drift:
        """The largest |F − G| of the two distribution functions, and SciPy's `asymp` p-value, which ties make larger.

        Raises:
            ValueError: no row was counted.
        """
        from scipy.stats import kstwo  # here, so that importing this doesn't load scipy

        self._check()
        known, rows = int(self.known_counts.sum()), self.n
        # Both functions just before each calibration score, and at it: between two of them F stands still.
        up_to = np.cumsum(self.between[:-1]) + np.cumsum(self.equal)
        theirs = np.stack([up_to - self.equal, up_to]) / rows
        ours = (
            np.stack([np.cumsum(self.known_counts) - self.known_counts, np.cumsum(self.known_counts)]) / known
        )
        statistic = float(np.abs(ours - theirs).max())
        sample = max(round(known * rows / (known + rows)), 1)
        return Drift(statistic, float(np.clip(kstwo.sf(statistic, sample), 0.0, 1.0)))

    def stability(self, bins: int = BINS) -> Stability:
        """Σ (q − p) ln(q / p) over bins of equal mass in calibration; p and q with half a row more in each bin.

        A rule of thumb calls 0.1 a small shift and 0.25 a large one, whatever the sizes. Where nothing moved, about
        (bins − 1)(1/n + 1/m) is expected. Tied scores stay in one bin, so that there may be fewer of them.

        Raises:
            ValueError: no row was counted.
        """
        self._check()
        up_to = np.cumsum(self.known_counts)
        wanted = np.arange(1, bins) * up_to[-1] / bins
        last = np.unique(
            np.searchsorted(up_to, wanted, side="left")
        )  # the highest score of each bin but the last
        last = last[last < len(self.known) - 1]
        # A row above the highest score of a bin, and below the lowest of the next, belongs to the next.
        ours = _shares(np.diff(up_to[last], prepend=0, append=up_to[-1]))
        rows = np.cumsum(self.between[:-1]) + np.cumsum(self.equal)
        theirs = _shares(np.diff(rows[last], prepend=0, append=self.n))
        count = len(ours)
        expected = (count - 1) * (1 / up_to[-1] + 1 / self.n)
        return Stability(float(((theirs - ours) * np.log(theirs / ours)).sum()), float(expected), count)

    def _check(self) -> None:
        if not self.n:
            raise ValueError("no row has a score")


def kolmogorov_smirnov(calibration: ArrayLike, scores: ArrayLike) -> Drift:
    """`ScoreDrift.kolmogorov_smirnov` of one array."""
    drift = ScoreDrift(calibration)
    drift.update(scores)
    return drift.kolmogorov_smirnov()


def population_stability(calibration: ArrayLike, scores: ArrayLike, bins: int = BINS) -> Stability:
    """`ScoreDrift.stability` of one array."""
    drift = ScoreDrift(calibration)
    drift.update(scores)
    return drift.stability(bins)


def _shares(counts: np.ndarray) -> Floats:
    smoothed = counts + SMOOTHING
    return np.asarray(smoothed / smoothed.sum(), dtype=np.float64)
