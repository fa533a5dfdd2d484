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
    check_share(alpha, "α")
    if not len(values):
        return np.zeros(0, dtype=np.bool_)
    ordered, counts = np.unique(values, return_counts=True)
    up_to = np.cumsum(counts)
    # p m ≤ α r, and not p ≤ α r / m: of two roundings one remains.
    small = np.flatnonzero(ordered * up_to[-1] <= alpha * up_to)
    return np.asarray(values <= (ordered[small[-1]] if len(small) else 0.0))


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
