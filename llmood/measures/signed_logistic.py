"""Logistic regression whose weights are not below 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.measures.logistic import fit_logistic, log_loss
from llmood.measures.token_statistics import Floats

SLACK = 1e-7
"""How far a slope may be from what it must be at the minimum."""


def fit_signed_logistic(features: Floats, positive: NDArray[np.bool_], ridge: float) -> tuple[Floats, float]:
    """The weights w ≥ 0 and the bias b that minimise mean log loss + ridge/2 · |w|².

    A bounded search finds which weights are 0, Newton's method (`logistic.fit_logistic`) the others. The function is
    convex, and so what meets its conditions of a minimum is the minimum.

    Args:
        features: float64 (n, d), of about unit scale.
        positive: bool (n,), with both values.
        ridge: above 0.

    Raises:
        ValueError: one class, a ridge that is not above 0, or a minimum that was not reached.
    """
    try:
        weights, bias = fit_logistic(features, positive, ridge)
    except ValueError:
        weights, bias = np.full(features.shape[1], -1.0), 0.0  # negative ones may have run away
    if (weights >= 0.0).all():
        return weights, bias
    free = _search(features, positive, ridge) > SLACK
    for _ in range(features.shape[1] + 1):
        weights, bias = np.zeros(features.shape[1]), 0.0
        weights[free], bias = fit_logistic(features[:, free], positive, ridge)
        kept = free & (weights > 0.0)
        pulled = ~free & (_slopes(features, positive, ridge, weights, bias) < -SLACK)
        if (kept == free).all() and not pulled.any():
            return weights, bias
        free = kept | pulled
    raise ValueError("the logistic regression with weights of one sign did not converge")


def _search(features: Floats, positive: NDArray[np.bool_], ridge: float) -> Floats:
    from scipy.optimize import minimize

    def value_and_slope(at: Floats) -> tuple[float, Floats]:
        weights, bias = at[:-1], float(at[-1])
        value = log_loss(features @ weights + bias, positive) + ridge / 2 * float(weights @ weights)
        residual = np.exp(-np.logaddexp(0.0, -(features @ weights + bias))) - positive
        return value, np.append(_slopes(features, positive, ridge, weights, bias), residual.mean())

    start = np.zeros(features.shape[1] + 1)
    bounds = [(0.0, None)] * features.shape[1] + [(None, None)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    found = minimize(value_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x[:-1], dtype=np.float64)


def _slopes(
    features: Floats, positive: NDArray[np.bool_], ridge: float, weights: Floats, bias: float
) -> Floats:
    residual = np.exp(-np.logaddexp(0.0, -(features @ weights + bias))) - positive
    return np.asarray(features.T @ residual / len(features) + ridge * weights)
