"""Beta calibration: three numbers that can make probabilities both surer and less sure, at either end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.log_odds import EDGE, probability
from llmood.measures.signed_logistic import fit_signed_logistic
from llmood.measures.token_statistics import Floats

RIDGE = 1e-9
"""So small that it decides nothing but which of several equal minima is taken (where only two probabilities occur)."""


class BetaCurve(NamedTuple):
    """P(right) is σ(a · ln p − b · ln(1 − p) + bias), with `a` and `b` at least 0."""

    a: float
    b: float
    bias: float


def fit_beta(uncertainty: Floats, correct: NDArray[np.bool_]) -> BetaCurve:
    """The curve with the least log loss (Kull, Silva Filho and Flach, AISTATS 2017).

    Args:
        uncertainty: 1 − p, (n,) in [0, 1]; a stated certainty counts as `log_odds.EDGE` from one.
        correct: bool (n,), with both values.

    Raises:
        ValueError: the probabilities don't differ, or they separate right from wrong answers: no curve is the best.
    """
    features = _features(uncertainty)
    if (features.min(axis=0) == features.max(axis=0)).all():
        raise ValueError("the probabilities don't differ: nothing tells right answers from wrong ones")
    if features[correct, 0].min() >= features[~correct, 0].max():
        raise ValueError(
            "right answers all have higher probabilities than wrong ones: no beta curve is the best"
        )
    scales = features.std(axis=0)
    weights, bias = fit_signed_logistic((features - features.mean(axis=0)) / scales, correct, RIDGE)
    weights = weights / scales
    return BetaCurve(float(weights[0]), float(weights[1]), float(bias - weights @ features.mean(axis=0)))


def beta_confidence(uncertainty: Floats, curve: BetaCurve) -> Floats:
    """P(right), float64 (n,), inside (0, 1)."""
    above, below = _features(uncertainty).T
    return probability(curve.a * above + curve.b * below + curve.bias)


def _features(uncertainty: Floats) -> Floats:
    """Of each row ln p and −ln(1 − p), (n, 2); both rise with p."""
    kept = np.clip(uncertainty, EDGE, 1.0 - EDGE)
    return np.column_stack([np.log1p(-kept), -np.log(kept)])
