"""Histogram binning: the share of right answers among scores like this one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats


class Bins(NamedTuple):
    """`edges` (b − 1,) ascending: a bin holds the scores up to its edge, the last one all others. `values` (b,)."""

    edges: Floats
    values: Floats


def fit_histogram(scores: Floats, correct: NDArray[np.bool_], bins: int) -> Bins:
    """Bins of equal mass, and in each (right + 1)/(rows + 2) (Zadrozny and Elkan, ICML 2001, with Laplace's rule).

    Edges are scores that occurred, so that ties share a bin whatever the order of rows; where many tie there are fewer
    bins. Laplace's rule keeps a bin without an error off 1.

    Args:
        scores: finite (n,), higher = less sure.
        correct: bool (n,).
        bins: at most so many.

    >>> fit_histogram(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, True, False]), 2).values.tolist()
    [0.75, 0.5]
    """
    ordered = np.sort(scores)
    last = -(-len(scores) * np.arange(1, bins) // bins) - 1  # where the first k of b equal parts end
    edges = np.unique(ordered[last])
    edges = edges[edges < ordered[-1]]  # else the last bin would hold nothing
    own = np.searchsorted(edges, scores, side="left")
    rows = np.bincount(own, minlength=len(edges) + 1)
    right = np.bincount(own, correct, minlength=len(edges) + 1)
    return Bins(edges, (right + 1.0) / (rows + 2.0))


def histogram_confidence(scores: Floats, bins: Bins) -> Floats:
    """P(right), float64 (n,), inside (0, 1); it may rise with the score where bins are small."""
    return np.asarray(bins.values[np.searchsorted(bins.edges, scores, side="left")])
