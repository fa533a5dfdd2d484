"""Logistic regression with a ridge, by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats

STEPS = 100
TOLERANCE = 1e-10


def fit_logistic(features: Floats, positive: NDArray[np.bool_], ridge: float) -> tuple[Floats, float]:
    """The weights w and the bias b that minimise mean log loss + ridge/2 · |w|²; the bias is not shrunk.

    The function is strictly convex where the ridge is above 0 and both classes are there, so there is one minimum,
    whatever the rows' order or a separation of the classes. scikit-learn's `LogisticRegression` has it at
    C = 1 / (n · ridge).

    Args:
        features: float64 (n, d), of about unit scale.
        positive: bool (n,), with both values.
        ridge: above 0.

    Returns:
        (weights (d,), bias): `features @ weights + bias` is the log-odds of positive.

    Raises:
        ValueError: one class, a ridge that is not above 0, or a minimum that was not reached.
    """
    if not ridge > 0:
        raise ValueError(f"the ridge is a number above 0, not {ridge:g}")
    if positive.all() or not positive.any():
        raise ValueError("both classes are needed")
    rows = np.column_stack([features, np.ones(len(features))])
    shrunk = np.append(np.full(features.shape[1], ridge), 0.0)
    found = np.zeros(rows.shape[1])
    found[-1] = np.log(positive.mean() / (1 - positive.mean()))

    def objective(at: Floats) -> float:
        return log_loss(rows @ at, positive) + float(shrunk @ at**2) / 2

    for _ in range(STEPS):
        chance = _logistic(rows @ found)
        gradient = rows.T @ (chance - positive) / len(rows) + shrunk * found
        if np.abs(gradient).max() <= TOLERANCE:
            return found[:-1], float(found[-1])
        spread = chance * (1 - chance)
        hessian = (rows * spread[:, None]).T @ rows / len(rows) + np.diag(shrunk)
        step = np.linalg.solve(hessian, gradient)
        size, now = 1.0, objective(found)
        # A whole step may overshoot far from the minimum; near it, rounding hides how little is gained.
        while objective(found - size * step) > now + 1e-15 and size > 1e-6:
            size /= 2
        found = found - size * step
    raise ValueError("the logistic regression did not converge")


def log_loss(log_odds: Floats, positive: NDArray[np.bool_]) -> float:
    """The mean of −log p(what is true), from log-odds (n,); in nats."""
    return float(np.logaddexp(0.0, np.where(positive, -log_odds, log_odds)).mean())


def _logistic(log_odds: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds)))
