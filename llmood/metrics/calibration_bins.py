"""Confidences in bins, and how many answers of each bin are right under any labelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmood.metrics.inputs import FloatArray, IntArray

BINS = 15
Rule = Literal["width", "mass"]


def width_bins(confidence: FloatArray, bins: int = BINS) -> NDArray[np.intp]:
    """The bin of each confidence (n,), equally wide and half open, the last one closed: NumPy's histogram rule."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    return np.minimum(np.searchsorted(edges, confidence, side="right") - 1, bins - 1)


def mass_bins(confidence: FloatArray, bins: int = BINS) -> NDArray[np.intp]:
    """The bin of each confidence (n,), as equally full as ties allow: ⌊bins · (mid-rank − ½) / n⌋, ranks from 1.

    Equal confidences share a bin, whatever the order of the rows, so that bins of few distinct values may be empty.
    """
    _, place, size = np.unique(confidence, return_inverse=True, return_counts=True)
    # Twice the mid-rank less one is an integer: no rounding decides at an edge.
    twice = 2 * np.cumsum(size) - size
    found: NDArray[np.intp] = (bins * twice[place]) // (2 * len(confidence))
    return found


@dataclass(frozen=True, eq=False)
class Binned:
    """Samples in the bins that hold any, lowest first.

    Attributes:
        bins: (B,) the number of each bin among all of the rule.
        member: float64 (n, B), 1 where the sample is in the bin.
        size: (B,) samples in each.
        confidence: (B,) the sum of their confidences.
    """

    bins: NDArray[np.intp]
    member: FloatArray
    size: IntArray
    confidence: FloatArray

    @classmethod
    def of(cls, confidence: FloatArray, rule: Rule, bins: int = BINS) -> Binned:
        index = {"width": width_bins, "mass": mass_bins}[rule](confidence, bins)
        present, place, size = np.unique(index, return_inverse=True, return_counts=True)
        member = np.zeros((len(confidence), len(present)))
        member[np.arange(len(confidence)), place] = 1.0
        return cls(present, member, size, confidence @ member)

    @property
    def share(self) -> FloatArray:
        """(B,) the share of the samples that is in each."""
        share: FloatArray = self.size / len(self.member)
        return share

    def accuracy(self, labels: FloatArray) -> FloatArray:
        """The share of right answers in each bin: labels (..., n) to (..., B)."""
        accuracy: FloatArray = (labels @ self.member) / self.size
        return accuracy

    def gap(self, labels: FloatArray) -> FloatArray:
        """Mean confidence less accuracy, labels (..., n) to (..., B): above 0 is over-confident."""
        gap: FloatArray = self.confidence / self.size - self.accuracy(labels)
        return gap

    def variance(self, labels: FloatArray) -> FloatArray:
        """How far noise moves each bin's accuracy, acc (1 − acc) / (size − 1); 0 for a bin of one, which can't say."""
        accuracy = self.accuracy(labels)
        variance: FloatArray = accuracy * (1.0 - accuracy) / np.maximum(self.size - 1, 1)
        return variance


def by_width(confidence: FloatArray) -> Binned:
    """The 15 equally wide bins."""
    return Binned.of(confidence, "width")


def by_mass(confidence: FloatArray) -> Binned:
    """The 15 equally full bins."""
    return Binned.of(confidence, "mass")


STANDARD = {"width": by_width, "mass": by_mass}
