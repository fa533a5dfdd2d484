"""Isotonic regression: the best step function of the score that never rises."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats


class IsotonicCurve(NamedTuple):
    """Scores (m,) ascending, and the confidence (m,) at each; straight between them and flat outside."""

    knots: Floats
    values: Floats


def fit_isotonic(scores: Floats, correct: NDArray[np.bool_]) -> IsotonicCurve:
    """The never-rising confidences with the least squared error (Zadrozny and Elkan 2002), by scikit-learn.

    They are kept in [1/(n + 2), (n + 1)/(n + 2)]: a block without an error says 1, and an error there would have an
    infinite log loss. scikit-learn takes scores within 1e-15 for equal; it is given their ranks, which have no scale.

    Args:
        scores: finite (n,); higher = less sure. Tied ones share a rank.
        correct: bool (n,).
    """
    from sklearn.isotonic import IsotonicRegression

    distinct, ranks = np.unique(scores, return_inverse=True)
    model = IsotonicRegression(increasing=False).fit(ranks.astype(np.float64), correct.astype(np.float64))
    least = 1.0 / (len(scores) + 2)
    knots = distinct[np.asarray(model.X_thresholds_, dtype=np.intp)]
    return IsotonicCurve(knots, np.clip(np.asarray(model.y_thresholds_, np.float64), least, 1.0 - least))


def isotonic_confidence(scores: Floats, curve: IsotonicCurve) -> Floats:
    """P(right), float64 (n,), inside (0, 1)."""
    knots, values = curve
    if len(knots) == 1:
        return np.full(len(scores), values[0])
    upper = np.clip(np.searchsorted(knots, scores, side="left"), 1, len(knots) - 1)
    lower = upper - 1
    share = np.clip((scores - knots[lower]) / (knots[upper] - knots[lower]), 0.0, 1.0)
    # Never above the lower knot or below the upper one, whatever rounding does.
    found = values[lower] + share * (values[upper] - values[lower])
    return np.asarray(np.clip(found, values[upper], values[lower]))
