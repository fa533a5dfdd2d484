"""Log-odds and probabilities that are never certain, and the scale of scores."""

from __future__ import annotations

import numpy as np

from llmood.measures.token_statistics import Floats

MOST = 36.0
"""The largest log-odds: 1 − p is still above 0 in float64 (2.3e-16)."""


def probability(log_odds: Floats) -> Floats:
    """1 / (1 + exp(−x)), with x kept in ±36: inside (0, 1), and log loss finite."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -MOST, MOST))))


def center_and_scale(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation of finite values that are not all equal, of whatever size (1e-300, −1e5).

    The squares of small values would be 0: they are taken of the values over the largest of them.
    """
    peak = float(np.abs(values).max())
    shares = values / peak
    return float(shares.mean()) * peak, float(shares.std()) * peak


def standardised(values: Floats, center: float, scale: float) -> Floats:
    """(values − center) / scale; what is beyond all numbers becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray((values - center) / scale)
