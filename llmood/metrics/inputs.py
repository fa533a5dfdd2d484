"""What every metric checks before it counts: shapes, NaN, and that there is something to measure."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Population = Literal["ood", "id"]


class UndefinedMetric(ValueError):  # noqa: N818 (it names a state of the data, no mistake)
    """These data don't define this metric; callers write the value null beside the reason.

    Args:
        reason: plain words for a reader of the report ("no OOD samples").
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_values(values: ArrayLike, name: str) -> FloatArray:
    """`values` as a float64 array of shape (n,), infinities allowed.

    Raises:
        ValueError: it isn't one-dimensional, or holds NaN. NaN means "unscored" and has no rank: callers drop
            and count unscored samples first.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), not {array.shape}")
    missing = int(np.isnan(array).sum())
    if missing:
        raise ValueError(f"{name} holds {missing} NaN: drop and count the unscored samples first")
    return array


def check_populations(is_ood: ArrayLike) -> BoolArray:
    """`is_ood` as a bool array of shape (n,) with both populations in it.

    Raises:
        ValueError: it isn't one-dimensional or isn't boolean (0/1 and ±1 labels are too easily the other way
            round).
        UndefinedMetric: it is empty or holds one population only.
    """
    array = check_flags(is_ood, "is_ood")
    if not array.any():
        raise UndefinedMetric("no OOD samples: only ID was scored")
    if array.all():
        raise UndefinedMetric("no ID samples: only OOD was scored")
    return array


def check_scored(scores: ArrayLike, is_ood: ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Both arrays checked and of one length; raises what `check_values` and `check_populations` raise."""
    values = check_values(scores, "scores")
    labels: NDArray[Any] = np.asarray(is_ood)
    if labels.shape != values.shape:
        raise ValueError(f"scores and is_ood differ in shape: {values.shape} and {labels.shape}")
    return values, check_populations(labels)


def check_errors(is_wrong: ArrayLike) -> BoolArray:
    """`is_wrong` as a bool array of shape (n,) with wrong and right answers in it.

    Raises:
        ValueError: it isn't one-dimensional or isn't boolean.
        UndefinedMetric: it is empty, or the answers are all right or all wrong.
    """
    array = check_flags(is_wrong, "is_wrong")
    if not array.any():
        raise UndefinedMetric("every answer is right: there are no errors to detect")
    if array.all():
        raise UndefinedMetric("every answer is wrong: there is nothing to tell errors from")
    return array


def check_judged(uncertainty: ArrayLike, correct: ArrayLike) -> tuple[FloatArray, BoolArray]:
    """The scores and which answers are wrong; raises what `check_values` and `check_errors` raise."""
    values = check_values(uncertainty, "uncertainty")
    right = check_flags(correct, "correct")
    if right.shape != values.shape:
        raise ValueError(f"uncertainty and correct differ in shape: {values.shape} and {right.shape}")
    return values, check_errors(~right)


def check_confidence(confidence: ArrayLike, correct: ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Confidences in [0, 1] and which answers are right, of one shape; all right or all wrong is fine.

    Raises:
        ValueError: NaN, wrong shapes, a confidence outside [0, 1].
        UndefinedMetric: no samples.
    """
    values = check_values(confidence, "confidence")
    right = check_flags(correct, "correct")
    if right.shape != values.shape:
        raise ValueError(f"confidence and correct differ in shape: {values.shape} and {right.shape}")
    if ((values < 0.0) | (values > 1.0)).any():
        raise ValueError("confidence must lie in [0, 1]")
    return values, right


def check_flags(flags: ArrayLike, name: str) -> BoolArray:
    """`flags` as a bool array of shape (n,).

    Raises:
        ValueError: it isn't one-dimensional or isn't boolean.
        UndefinedMetric: it is empty.
    """
    array: NDArray[Any] = np.asarray(flags)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), not {array.shape}")
    if array.size == 0:
        raise UndefinedMetric("no samples")
    if array.dtype != np.bool_:
        raise ValueError(f"{name} must be boolean, not {array.dtype}")
    return array


def check_share(value: float, name: str) -> float:
    """`value` if it lies in (0, 1], else a ValueError that names it."""
    if not 0.0 < value <= 1.0:
        raise ValueError(f"{name} must be above 0 and at most 1, not {value}")
    return value
