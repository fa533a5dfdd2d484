"""A linear head on states: a multinomial logistic regression that tells the ID classes apart."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats

RIDGE = 0.001
STEPS = 10_000
TOLERANCE = 1e-6


class LinearHead(NamedTuple):
    """Logits are `standardised(states) @ weights.T + bias`.

    `means` and `scales` are (d,), `weights` (C, d), `bias` (C,).
    """

    means: Floats
    scales: Floats
    weights: Floats
    bias: Floats


def fit_head(states: NDArray[np.floating], classes: NDArray[np.integer], ridge: float = RIDGE) -> LinearHead:
    """The head with the least mean cross-entropy + ridge/2 · ‖weights‖², found by scikit-learn.

    Args:
        states: (n, d).
        classes: (n,) integers 0 … C − 1, each of them there.
        ridge: above 0.

    Raises:
        ValueError: one class only, or a minimum that was not reached.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = check_states(states)
    count = int(classes.max(initial=0)) + 1
    if count < 2:
        raise ValueError("there is one class: nothing to tell apart")
    means, scales = rows.mean(axis=0), rows.std(axis=0)
    scales[scales <= 1e-9 * np.maximum(np.abs(means), 1e-300)] = 1.0
    # Of two classes scikit-learn keeps the difference w, whose halves ±w/2 have half its square.
    strength = (2.0 if count == 2 else 1.0) / (len(rows) * ridge)
    model = LogisticRegression(C=strength, tol=TOLERANCE, max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")  # asked for
        try:
            model.fit((rows - means) / scales, classes)
        except ConvergenceWarning as error:
            raise ValueError(f"the head did not converge in {STEPS} steps") from error
    weights, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if count == 2:
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    # What all classes have in common changes no probability, and is left by rounding alone.
    weights, bias = weights - weights.mean(axis=0), bias - bias.mean()
    return LinearHead(means, scales, weights, bias)


def standardised(states: NDArray[np.floating], head: LinearHead) -> Floats:
    """What the head reads, (n, d): states less their mean over their standard deviation in train."""
    return np.asarray((check_states(states, width=len(head.means)) - head.means) / head.scales)


def head_logits(states: NDArray[np.floating], head: LinearHead) -> Floats:
    """(n, C)."""
    return np.asarray(standardised(states, head) @ head.weights.T + head.bias)
