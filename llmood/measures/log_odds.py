"""Log-odds and probabilities that are never certain, and the scale of scores."""

from __future__ import annotations

import numpy as np

from llmood.measures.token_statistics import Floats

MOST = 36.0
"""The largest log-odds: 1 − p is still above 0 in float64 (2.3e-16)."""

FARTHEST = 1e100


def probability(log_odds: Floats) -> Floats:
    """1 / (1 + exp(−x)), with x kept in ±36: inside (0, 1), and log loss finite."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -MOST, MOST))))


def center_and_scale(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation of finite values that are not all equal, of whatever size (1e-300, −1e5).

    The squares of small values would be 0: they are taken of the values over the largest of them.
    """
    peak = float(np.abs(values).max())
    shares = values / peak
    return float(shares.mean()) * peak, max(float(shares.std()) * peak, float(np.finfo(np.float64).tiny))


def standardised(values: Floats, center: float | Floats, scale: float | Floats) -> Floats:
    """(values − center) / scale, kept in ±`FARTHEST`: sums of them are finite."""
    with np.errstate(over="ignore"):
        return np.asarray(np.clip((values - center) / scale, -FARTHEST, FARTHEST))


EDGE = 1e-6
"""How near to certain a probability may be: a model that says 1 has log-odds of 13.8."""


def stated_log_odds(uncertainty: Floats) -> Floats:
    """The log-odds of p, from 1 − p, with p kept in [`EDGE`, 1 − `EDGE`].

    >>> stated_log_odds(np.array([0.5, 0.0])).round(2).tolist()
    [0.0, 13.82]
    """
    kept = np.clip(uncertainty, EDGE, 1.0 - EDGE)
    return np.asarray(np.log1p(-kept) - np.log(kept))
