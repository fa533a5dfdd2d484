"""Temperature scaling: probabilities made less sure, or surer, by one number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llmood.measures.log_odds import probability, stated_log_odds
from llmood.measures.token_statistics import Floats

MOST = 1e6
"""The largest 1/T: beyond it, whatever is surer than even is certain."""


def fit_temperature(uncertainty: Floats, correct: NDArray[np.bool_]) -> float:
    """1/T ≥ 0 with the least log loss of σ(logit(p)/T) (Guo et al., ICML 2017, of two outcomes).

    0, an infinite temperature, where the probabilities say less than a coin: p = ½ for all is the best then.

    Args:
        uncertainty: 1 − p, (n,) in [0, 1]; a stated certainty counts as `log_odds.EDGE` from one.
        correct: bool (n,).

    Raises:
        ValueError: every answer that is surer than even is right and every other wrong: no temperature is the best.
    """
    log_odds = stated_log_odds(uncertainty)

    def slope(inverse: float) -> float:
        return float(((probability(inverse * log_odds) - correct) * log_odds).mean())

    return least(slope)


def least(slope: Callable[[float], float]) -> float:
    """Where a convex function on x ≥ 0 is smallest, from its slope.

    Raises:
        ValueError: it falls all the way to `MOST`.
    """
    from scipy.optimize import brentq

    if slope(0.0) >= 0.0:
        return 0.0
    high = 1.0
    while slope(high) < 0.0:
        high *= 2.0
        if high > MOST:
            raise ValueError("no temperature is the best: the lower, the less the loss, without an end")
    return float(brentq(slope, 0.0, high, xtol=1e-13, rtol=1e-13))


def temperature_confidence(uncertainty: Floats, inverse: float) -> Floats:
    """σ(logit(p)/T), float64 (n,), inside (0, 1)."""
    return probability(inverse * stated_log_odds(uncertainty))
