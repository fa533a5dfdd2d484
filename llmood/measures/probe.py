"""A linear probe: which of two kinds a state belongs to, by a logistic regression on standardised states."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats

RIDGES = (1.0, 0.1, 0.01, 0.001, 0.0001)
UNCHOSEN = 0.01
STEPS = 10_000
TOLERANCE = 1e-6


class Probe(NamedTuple):
    """The log-odds of the positive kind are `(states − means) / scales @ weights + bias`.

    `means`, `scales` and `weights` are float64 (d,).
    """

    means: Floats
    scales: Floats
    weights: Floats
    bias: float


def fit_probe(states: NDArray[np.floating], positive: NDArray[np.bool_], ridge: float = UNCHOSEN) -> Probe:
    """The probe with the least mean log loss + ridge/2 · |weights|², found by scikit-learn.

    Source: Kossen et al., "Semantic Entropy Probes: Robust and Cheap Hallucination Detection in LLMs" (2024). Its code
    fits unstandardised states in 100 steps, which isn't the minimum.

    Args:
        states: (n, d).
        positive: bool (n,), with both values.
        ridge: above 0. scikit-learn's C is 1 / (n · ridge).

    Raises:
        ValueError: states that aren't numbers, one kind only, or a minimum that was not reached.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = check_states(states)
    if not ridge > 0:
        raise ValueError(f"the ridge is a number above 0, not {ridge:g}")
    if positive.all() or not positive.any():
        raise ValueError("both kinds are needed")
    means, scales = rows.mean(axis=0), rows.std(axis=0)
    # What doesn't vary but for its rounding tells nothing, and is left where it is.
    scales[scales <= 1e-9 * np.maximum(np.abs(means), 1e-300)] = 1.0
    model = LogisticRegression(C=1.0 / (len(rows) * ridge), tol=TOLERANCE, max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit((rows - means) / scales, positive)
        except ConvergenceWarning as error:
            raise ValueError(f"the probe did not converge in {STEPS} steps") from error
    return Probe(means, scales, model.coef_[0].astype(np.float64), float(model.intercept_[0]))


def probe_log_odds(states: NDArray[np.floating], probe: Probe) -> Floats:
    """Log-odds of the positive kind, (n,); a row's own, whatever the others are.

    Args:
        states: (n, d).

    Raises:
        ValueError: states of another width, or that aren't numbers.
    """
    rows = check_states(states, width=len(probe.weights))
    # A product of matrices may round a row by how many others there are.
    return np.asarray((((rows - probe.means) / probe.scales) * probe.weights).sum(axis=1) + probe.bias)


def out_of_fold(
    states: NDArray[np.floating], positive: NDArray[np.bool_], folds: NDArray[np.integer], ridge: float
) -> Floats:
    """The log-odds (n,) of each row under the probe of the other folds' rows.

    Args:
        folds: (n,), which fold a row is in; rows that belong together stand in one.

    Raises:
        ValueError: the other folds of one of them hold one kind only.
    """
    found = np.full(len(states), np.nan)
    for fold in np.unique(folds):
        own = folds == fold
        found[own] = probe_log_odds(states[own], fit_probe(states[~own], positive[~own], ridge))
    return found


def best_ridge(losses: Mapping[float, float]) -> float:
    """The ridge with the least loss on rows that its probe wasn't fitted on; of equals the largest."""
    return min(losses, key=lambda ridge: (losses[ridge], -ridge))


def best_window(scores: Sequence[float], least: int) -> tuple[int, int]:
    """The neighbouring layers [i, j), `least` or more, with the highest mean score; of equals the first and shortest.

    Source: Kossen et al. (2024), whose code takes the scores from the test split; take them from `validation`.

    Args:
        scores: one a layer, in the layers' order.
        least: at most as many as there are, else all of them are taken.
    """
    values = np.asarray(scores, dtype=np.float64)
    least = min(least, len(values))
    windows = [
        (start, stop) for start in range(len(values)) for stop in range(start + least, len(values) + 1)
    ]
    return max(
        windows,
        key=lambda window: (
            round(float(values[slice(*window)].mean()), 12),
            -window[0],
            window[0] - window[1],
        ),
    )
