"""Platt scaling: a logistic curve through scores."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.log_odds import center_and_scale, probability, standardised
from llmood.measures.token_statistics import Floats

STEPS = 1000
TOLERANCE = 1e-10


class PlattCurve(NamedTuple):
    """P(right) is `probability(slope · (score − center) / scale + bias)`; `slope` is never above 0."""

    center: float
    scale: float
    slope: float
    bias: float


def platt_targets(correct: NDArray[np.bool_]) -> tuple[float, float]:
    """What right and wrong answers count as: (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2), never 1 and 0.

    >>> platt_targets(np.array([True, False, False]))
    (0.6666666666666666, 0.25)
    """
    right = int(correct.sum())
    wrong = len(correct) - right
    return (right + 1) / (right + 2), 1 / (wrong + 2)


def fit_platt(scores: Floats, correct: NDArray[np.bool_]) -> PlattCurve:
    """The curve with the least log loss against Platt's targets (Platt 1999; Lin et al. 2007), by scikit-learn.

    With these targets there is one finite minimum, even where scores separate right from wrong answers. Where right
    answers have the higher scores, the best curve that never rises is flat.

    Args:
        scores: finite (n,), not all equal; higher = less sure.
        correct: bool (n,), with both values.

    Raises:
        ValueError: the minimum was not reached.
    """
    from scipy.linalg import LinAlgWarning
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    center, scale = center_and_scale(scores)
    high, low = platt_targets(correct)
    targets = np.where(correct, high, low)
    # A row that counts as right by t: a right one of weight t and a wrong one of weight 1 − t.
    column = np.tile(standardised(scores, center, scale), 2)[:, None]
    kinds = np.repeat([True, False], len(scores))
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=TOLERANCE, max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("error", LinAlgWarning)
        try:
            model.fit(column, kinds, sample_weight=np.concatenate([targets, 1.0 - targets]))
        except (ConvergenceWarning, LinAlgWarning) as error:
            raise ValueError(f"Platt scaling did not converge in {STEPS} steps") from error
    slope, bias = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope > 0:
        share = float(targets.mean())
        slope, bias = 0.0, float(np.log(share / (1 - share)))
    return PlattCurve(center, scale, slope, bias)


def platt_confidence(scores: Floats, curve: PlattCurve) -> Floats:
    """P(right), float64 (n,), inside (0, 1)."""
    return probability(curve.slope * standardised(scores, curve.center, curve.scale) + curve.bias)
