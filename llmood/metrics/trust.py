"""Above which confidence can the model be trusted? Thresholds with an interval that holds for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.metrics.calibration_base import labelled
from llmood.metrics.exact import clopper_pearson
from llmood.metrics.inputs import FloatArray, check_share
from llmood.metrics.interval import Groups, check_level
from llmood.metrics.resample import number_groups

LOOKS = 20  # thresholds that are looked at: those that keep 5 %, 10 %, … of the answers
ACCURACIES = (0.8, 0.9, 0.95, 0.99)


class Trust(NamedTuple):
    """What is known of the answers above one threshold.

    Attributes:
        asked: the accuracy that was asked for.
        threshold: the lowest confidence looked at from which on answers are right at least so often; None where there
            is none.
        reason: why there is none.
        n, share: how many answers have at least that confidence, and of how many.
        accuracy: how many of those are right.
        ci_low, ci_high: Clopper–Pearson's interval of it, at a level that all looks have together.
    """

    asked: float
    threshold: float | None
    reason: str | None = None
    n: int | None = None
    share: float | None = None
    accuracy: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


class _Looks(NamedTuple):
    """The answers from each threshold on, highest threshold first: (L,) each."""

    threshold: FloatArray
    n: FloatArray
    independent: FloatArray
    accuracy: FloatArray
    low: FloatArray
    high: FloatArray


def trust_above(
    confidence: ArrayLike,
    correct: ArrayLike,
    accuracies: Sequence[float] = ACCURACIES,
    level: float = 0.95,
    *,
    groups: Groups | None = None,
) -> list[Trust]:
    """For each accuracy the lowest confidence from which on answers are right at least so often, as far as is known.

    Looked at are the thresholds that keep 5 %, 10 %, … and all of the answers: at most 20, chosen by the confidences
    and not by what is right. Each gets the exact interval at 1 − (1 − level)/L, L being the number of looks, so that
    with probability `level` all of them hold at once (Bonferroni): whichever threshold is read off, for however many
    accuracies, its lower end stands. A higher accuracy never gets a lower threshold. It says nothing of answers of
    another population. Source of the interval: Clopper and Pearson, Biometrika 26 (1934).

    Args:
        confidence: (n,) in [0, 1].
        correct: (n,) bool.
        accuracies: what is asked for, each in (0, 1].
        level: the chance that every interval holds.
        groups: (n,) what each answer was cut from, None for one of its own; intervals are those of as many answers as
            there are groups.

    Raises:
        ValueError: NaN, wrong shapes, a confidence outside [0, 1], an accuracy outside (0, 1], a level outside (0, 1).
        UndefinedMetric: no samples.
    """
    check_level(level)
    held, labels = labelled(confidence, correct)
    values = held.values
    looks = _looks(values, labels, number_groups(groups, len(values)), level)
    return [
        _trust(looks, check_share(float(asked), "an accuracy"), len(values), level) for asked in accuracies
    ]


def _trust(looks: _Looks, asked: float, n: int, level: float) -> Trust:
    held = np.flatnonzero(looks.low >= asked)
    if not len(held):
        best = int(looks.low.argmax())
        return Trust(
            asked,
            None,
            f"at {100 * level:g} % no more than {looks.low[best]:.3g} can be said, of the {int(looks.n[best])} answers "
            f"from a confidence of {looks.threshold[best]:.3g} on",
        )
    last = int(held[-1])
    return Trust(
        asked,
        float(looks.threshold[last]),
        None,
        int(looks.n[last]),
        float(looks.n[last] / n),
        float(looks.accuracy[last]),
        float(looks.low[last]),
        float(looks.high[last]),
    )


def _looks(values: FloatArray, labels: FloatArray, unit: NDArray[np.intp], level: float) -> _Looks:
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    places = np.ceil(len(values) * np.arange(1, LOOKS + 1) / LOOKS).astype(np.intp) - 1
    threshold = np.unique(ranked[places])[::-1]
    # All answers of the threshold's own confidence are above it: ties are never parted.
    n = np.searchsorted(-ranked, -threshold, side="right")
    right = np.cumsum(labels[order])[n - 1]
    first = np.zeros(len(values), dtype=bool)
    first[np.unique(unit[order], return_index=True)[1]] = True
    independent = np.cumsum(first)[n - 1].astype(np.float64)
    accuracy = right / n
    low, high = clopper_pearson(accuracy * independent, independent, 1.0 - (1.0 - level) / len(threshold))
    return _Looks(threshold, n.astype(np.float64), independent, accuracy, low, high)
