"""Flags for a batch of which few are wrong: Benjamini–Hochberg on conformal p-values.

Flagging p ≤ α keeps false alarms at α of what is at home. In a batch where nearly all is at home, most flags are then
false alarms. Benjamini–Hochberg keeps the expected share of false alarms among the flags at α instead.

Sources: Benjamini & Hochberg, "Controlling the False Discovery Rate" (1995); Bates et al., "Testing for Outliers with
Conformal p-values" (2023), theorem 2: p-values that share one calibration set depend on each other in a way (PRDS)
that the procedure stands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.measures.split_conformal import check_share


def benjamini_hochberg(p_values: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """The p-values up to p_(r), for the largest r with p_(r) ≤ α r / m, (m,). Equal p-values are flagged together.

    Args:
        p_values: (m,), each at most u with probability at most u where the row is at home.
    """
    values = checked_p_values(p_values)
    ordered, counts = np.unique(values, return_counts=True)
    return np.asarray(values <= cutoff(ordered, counts, alpha))


def cutoff(values: ArrayLike, counts: ArrayLike, alpha: float) -> float:
    """The largest p-value that Benjamini–Hochberg flags, 0 if none.

    Args:
        values: (d,) different p-values, ascending.
        counts: (d,) how often each was seen.
    """
    check_share(alpha, "α")
    ordered, up_to = checked_p_values(values), np.cumsum(counts)
    # p m ≤ α r, and not p ≤ α r / m: of two roundings one remains.
    small = (
        np.flatnonzero(ordered * up_to[-1] <= alpha * up_to) if len(ordered) else np.zeros(0, dtype=np.int64)
    )
    return float(ordered[small[-1]]) if len(small) else 0.0


class BatchFlags:
    """`benjamini_hochberg` of a batch that is too large to hold: conformal p-values are k/(n + 1), and are counted.

    Args:
        n: how many calibration rows the p-values were made with.
    """

    def __init__(self, n: int) -> None:
        if n < 1:
            raise ValueError("conformal p-values need at least one calibration row")
        self.counts = np.zeros(n + 1, dtype=np.int64)  # of 1/(n + 1) … 1

    def update(self, p_values: ArrayLike) -> None:
        """Count a chunk, (m,). The order of chunks changes nothing.

        Raises:
            ValueError: what is no k/(n + 1).
        """
        scaled = checked_p_values(p_values) * len(self.counts)
        ranks = np.rint(scaled).astype(np.int64)
        if (np.abs(scaled - ranks) > 1e-6).any() or (ranks < 1).any():
            raise ValueError(f"these are no conformal p-values of {len(self.counts) - 1} calibration rows")
        self.counts += np.bincount(ranks - 1, minlength=len(self.counts))

    def cutoff(self, alpha: float) -> float:
        """The largest p-value that is flagged in what was counted so far, 0 if none: flag p ≤ cutoff."""
        size = len(self.counts)
        seen = np.flatnonzero(self.counts)
        return cutoff((seen + 1) / size, self.counts[seen], alpha)


def checked_p_values(p_values: ArrayLike) -> NDArray[np.float64]:
    """p-values as float64 (m,).

    Raises:
        ValueError: another shape, or what is not from 0 to 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            "p-values must have shape (m,), and be from 0 to 1: leave out the rows that have none"
        )
    return values
