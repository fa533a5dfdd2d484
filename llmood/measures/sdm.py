"""SDM: a softmax that is sharp only near training rows that were predicted right, and a rule for whom to admit.

Similarity q counts nearest train rows that agree, distance d in [0, 1] is how near the nearest one is against
calibration rows, magnitude is the logits'. Calibration rows are not those that the classifier was fitted on.

Source: Schmaltz, "Similarity-Distance-Magnitude Activations" (2025).
"""

from __future__ import annotations

import math
from bisect import insort
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import log_sum
from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats, Integers


class Admission(NamedTuple):
    """Who is admitted: similarity of at least `similarity`, and the class's own `thresholds` (C,).

    An infinite `similarity` admits nobody: the classifier is too weak for `alpha`.
    """

    similarity: float
    thresholds: Floats
    alpha: float


def matching_run(
    neighbours: Integers, train_labels: Integers, train_predictions: Integers, predictions: Integers
) -> Integers:
    """q, (n,): how many of the nearest train rows, from the first on, have both label and prediction as predicted here.

    Args:
        neighbours: (n, K) rows of train, nearest first, a train row itself left out; K is the most that q can be (the
            published code has 2,048).
        train_labels, train_predictions: (m,).
        predictions: (n,).
    """
    label, predicted = np.asarray(train_labels)[neighbours], np.asarray(train_predictions)[neighbours]
    agree = (label == predicted) & (label == np.asarray(predictions)[:, None])
    return np.asarray(np.cumprod(agree, axis=1).sum(axis=1), dtype=np.int64)


class DistanceQuantiles(NamedTuple):
    """Ascending distances to the nearest train row, an array for each class."""

    by_class: list[Floats]

    def __call__(self, distances: NDArray[np.floating]) -> Floats:
        """The distance d = min_c (1 − share of the class's distances below), (n,).

        1 at the smallest known distance, and 0 beyond the largest. A class without any makes it 0 for all.
        """
        values = np.asarray(distances, dtype=np.float64)
        shares = [
            1.0 - np.searchsorted(known, values, side="left") / len(known)
            if len(known)
            else np.zeros(len(values))
            for known in self.by_class
        ]
        return np.asarray(np.min(shares, axis=0), dtype=np.float64)


def distance_quantiles(
    distances: NDArray[np.floating], labels: Integers, similarity: Integers, classes: int
) -> DistanceQuantiles:
    """What `DistanceQuantiles` knows: of the calibration rows whose q is above 0, by true class."""
    values, trusted = np.asarray(distances, dtype=np.float64), np.asarray(similarity) > 0
    return DistanceQuantiles([np.sort(values[trusted & (labels == label)]) for label in range(classes)])


def sdm_log_probabilities(
    logits: NDArray[np.floating], similarity: NDArray[np.number], distance: NDArray[np.floating]
) -> Floats:
    """Logarithms of SDM(z)_c: log softmax(d · log(2 + q) · z)_c, (n, C).

    q = e − 2 and d = 1 give the softmax; d = 0 gives all classes the same.
    """
    factor = np.asarray(distance, np.float64) * np.log(2.0 + np.asarray(similarity, np.float64))
    scaled = check_states(logits, "logits") * factor[:, None]
    return np.asarray(scaled - log_sum(scaled)[:, None])


def rescaled_similarity(similarity: NDArray[np.number], top_probability: NDArray[np.floating]) -> Floats:
    """q′ = min(q, (2 + q)^p), (n,), with p the SDM probability of the predicted class."""
    values = np.asarray(similarity, dtype=np.float64)
    return np.minimum(values, (2.0 + values) ** np.asarray(top_probability, np.float64))


def fit_admission(
    similarity: NDArray[np.floating], probabilities: NDArray[np.floating], labels: Integers, alpha: float
) -> Admission:
    """The least q′ from which, in every class, all but a share 1 − α of calibration rows have p(true class) ≥ α.

    Args:
        similarity: (n,) q′ of calibration rows.
        probabilities: (n, C) SDM.
        labels: (n,) true classes, 0 to C − 1.
        alpha: in (½, 1).

    Returns:
        Thresholds are that quantile of p(true class), at index min(⌊(1 − α) n_c⌋, n_c − 1) of n_c rows. A class without
        rows has none, and none is found.
    """
    if not 0.5 < alpha < 1.0:
        raise ValueError(f"alpha must lie in (0.5, 1), not {alpha}")
    values, classes = np.asarray(similarity, np.float64), probabilities.shape[1]
    own = np.asarray(probabilities, np.float64)[np.arange(len(values)), labels]
    found = Admission(math.inf, np.full(classes, math.inf), alpha)
    kept: list[list[float]] = [[] for _ in range(classes)]
    thresholds = np.full(classes, -math.inf)
    # From the most similar down, so that each row is put in its place once; the last that holds is the least.
    order = np.argsort(-values, kind="stable")
    for position, row in enumerate(order):
        if values[row] <= 0.0:
            break
        insort(kept[labels[row]], own[row])
        thresholds[labels[row]] = _quantile(kept[labels[row]], alpha)
        more_of_it = position + 1 < len(order) and values[order[position + 1]] == values[row]
        if not more_of_it and (thresholds >= alpha).all():
            found = Admission(float(values[row]), thresholds.copy(), alpha)
    return found


def admitted(
    similarity: NDArray[np.floating], probabilities: NDArray[np.floating], admission: Admission
) -> NDArray[np.bool_]:
    """Which samples have both q′ and the probability of their predicted class high enough, (n,)."""
    predictions = probabilities.argmax(axis=1)
    top = probabilities[np.arange(len(predictions)), predictions]
    near = np.asarray(similarity) >= admission.similarity
    return np.asarray(near & (top >= admission.thresholds[predictions]))


def distance_band(
    distance: NDArray[np.floating],
    similarity: NDArray[np.floating],
    calibration_similarity: NDArray[np.floating],
    calibration_labels: Integers,
    classes: int,
    alpha: float,
) -> tuple[Floats, Floats]:
    """max(d − ε, 0) and min(d + ε, 1), (n,) each: the Dvoretzky–Kiefer–Wolfowitz band of the distances' distribution.

    ε = √(log(2 / (1 − α)) / (2 min_c n_c)), with n_c the calibration rows of class c whose q′ is below the sample's; 1
    where a class has none. The publication recommends the probabilities of the lower one.
    """
    values, near = np.asarray(similarity, dtype=np.float64), np.asarray(distance, dtype=np.float64)
    known = [np.sort(calibration_similarity[calibration_labels == label]) for label in range(classes)]
    below = np.min([np.searchsorted(one, values, side="left") for one in known], axis=0)
    with np.errstate(divide="ignore"):
        width = np.where(below > 0, np.sqrt(math.log(2.0 / (1.0 - alpha)) / (2.0 * below)), 1.0)
    return np.maximum(near - width, 0.0), np.minimum(near + width, 1.0)


def _quantile(ascending: list[float], alpha: float) -> float:
    # (1 − 0.9) · 10 is 0.9999999999999998.
    return ascending[min(math.floor(round((1.0 - alpha) * len(ascending), 9)), len(ascending) - 1)]
