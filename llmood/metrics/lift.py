"""Does accuracy rise with confidence? Two measures of Postels et al.: the area under the lift, a rank correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.correlation import spearman
from llmood.metrics.inputs import FloatArray, UndefinedMetric, check_judged
from llmood.metrics.selective import binary_prr

NEIGHBOURS = 100


def raulc(uncertainty: ArrayLike, correct: ArrayLike) -> float:
    """Relative area under the lift curve, AULC / AULC of the order that has right answers first; 1 best, 0 chance.

    The lift of the i most confident is their accuracy over that of all, and AULC its mean over i, less 1. As that mean
    is (1 − AURC) / accuracy, the ratio is `prr` to the letter, ties included, and is that here.

    Source: Postels et al., "On the Practicality of Deterministic Epistemic Uncertainty" (ICML 2022).

    Raises:
        ValueError: NaN, wrong shapes.
        UndefinedMetric: the answers are all right or all wrong.
    """
    return binary_prr(uncertainty, correct)


def spearman_accuracy(confidence: ArrayLike, correct: ArrayLike, neighbours: int = NEIGHBOURS) -> float:
    """Spearman correlation of confidence and accuracy, both averaged over runs of neighbours in the confidence's order.

    Single answers are right or wrong; the averages say how often, so that 1 means that accuracy rises throughout. Any
    score will do that is higher for surer answers (−uncertainty). Tied answers each count as the accuracy of their tie,
    so that no order of the rows decides. Source: Postels et al. (ICML 2022), who take 100 neighbours.

    Raises:
        ValueError: NaN, wrong shapes, fewer than one neighbour.
        UndefinedMetric: all right or all wrong, fewer than two runs, or an average that never changes.
    """
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1, not {neighbours}")
    values, is_wrong = check_judged(confidence, correct)
    if not np.isfinite(values).all():
        raise UndefinedMetric("a confidence is infinite: means are undefined")
    if len(values) <= neighbours:
        raise UndefinedMetric(f"{len(values)} answers: averages over {neighbours} neighbours need more")
    distinct, place, size = np.unique(values, return_inverse=True, return_counts=True)
    accuracy = np.bincount(place, weights=~is_wrong) / size
    return spearman(_averaged(distinct, size, neighbours), _averaged(accuracy, size, neighbours))


def _averaged(values: FloatArray, size: NDArray[np.intp], neighbours: int) -> FloatArray:
    """Means over every run of neighbours among values (D,) that occur `size` times each, in this order."""
    runs = np.lib.stride_tricks.sliding_window_view(np.repeat(values, size), neighbours)
    # Runs of other values may have the same mean: no rounding is to rank them.
    means: FloatArray = np.round(runs.mean(axis=1), 12)
    return means
