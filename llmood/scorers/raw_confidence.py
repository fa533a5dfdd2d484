"""The confidence that a score stands for before any calibration."""

from __future__ import annotations

import numpy as np

from llmood.measures.token_statistics import Floats
from llmood.scorers.base import Probability

ROUNDING = 1e-6
"""How far the arithmetic of an engine may leave [0, 1]."""


def raw_confidence(probability: Probability | None, scores: Floats) -> Floats | None:
    """The probability of a right answer by the scorer's own word: 1 − score, or exp(−score).

    Args:
        probability: what the scores stand for (`Scorer.probability`).
        scores: float64 (n,), as the scorer gave them; NaN where a row is unscored, and there only is the result NaN.

    Returns:
        float64 (n,) in [0, 1]; None where the scores stand for no probability.

    Raises:
        ValueError: a score can't be what the scorer says that it is.
    """
    if probability is None:
        return None
    low, high = float(np.nanmin(scores, initial=0.0)), float(np.nanmax(scores, initial=0.0))
    if probability == "negative_log":
        if low < -ROUNDING:
            raise ValueError(f"a score of {low:g} is the negative logarithm of no probability")
        return np.asarray(np.exp(-np.maximum(scores, 0.0)))
    if low < -ROUNDING or high > 1.0 + ROUNDING:
        raise ValueError(f"scores from {low:g} to {high:g} are no probabilities")
    return np.asarray(1.0 - np.clip(scores, 0.0, 1.0))
