"""What every calibrator is, and how one is registered."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from inspect import getdoc, signature
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.errors import NotFittedError, StoreError
from llmood.measures.token_statistics import Floats
from llmood.registry import Registry

LEAST_ROWS = 10
LARGEST = 1e150
"""A score beyond this one counts as it, infinities too: squares of scores are finite then."""


class CalibrationError(ValueError):
    """These scores can't be calibrated; callers write null beside the reason.

    Args:
        reason: plain words for a reader of the report ("every answer is right").
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Calibrator(ABC):
    """Scores in, probabilities of a right answer out; a higher score is never a higher probability.

    The constructor takes keyword arguments and only stores them; what `fit` learns ends in `_`. The order of rows
    changes no bit, and tied scores have one confidence, which lies inside (0, 1): no sample makes anything certain.
    """

    id: ClassVar[str]

    reads_probability: ClassVar[bool] = False
    """Whether a score must be 1 − p, with p a probability of being right (`scorers.raw_confidence`)."""

    monotone: ClassVar[bool] = True
    """Whether confidence never rises with the score."""

    many_scores: ClassVar[bool] = False
    """Whether it reads scores (n, k) of several scorers; the others read (n,)."""

    def fit(self, scores: ArrayLike, correct: ArrayLike) -> Self:
        """Learn from answers that are known to be right or wrong; a second `fit` forgets the first.

        Args:
            scores: float64 (n,), higher = less sure. Infinities count as the largest finite score.
            correct: bool (n,).

        Raises:
            ValueError: a shape is wrong, `correct` is not boolean, or a score is NaN (drop the unscored first).
            CalibrationError: there are too few rows, all answers are right or wrong, or all scores are equal.
        """
        rows = self._checked(scores)
        right: NDArray[Any] = np.asarray(correct)
        if right.dtype != np.bool_:
            raise ValueError(f"correct must be boolean, not {right.dtype}")
        if right.shape != rows.shape[:1]:
            raise ValueError(f"scores and correct differ in shape: {rows.shape} and {right.shape}")
        check_both(right, self.least_rows)
        rows = within_finite(rows)
        if (rows.min(axis=0) == rows.max(axis=0)).all():
            raise CalibrationError("all scores are equal: nothing tells right answers from wrong ones")
        # Sums depend on the order of their terms: one order for all.
        order = np.lexsort((right, *np.atleast_2d(rows.T)[::-1]))
        self.learn(rows[order], right[order])
        return self

    def confidence(self, scores: ArrayLike) -> Floats:
        """The probability of a right answer, float64 (n,), inside (0, 1).

        Raises:
            ValueError: a shape is wrong, or a score is NaN.
            NotFittedError: nothing was learned yet.
        """
        if not self._fitted():
            raise NotFittedError(f"the calibrator '{self.id}' was not fitted")
        return self.confidences(np.clip(self._checked(scores), -LARGEST, LARGEST))

    @property
    def least_rows(self) -> int:
        """How many rows it needs at least."""
        return LEAST_ROWS

    def state(self) -> dict[str, Any]:
        """Arguments and what was learned, as JSON holds it: numbers, texts and lists, all finite."""
        if not self._fitted():
            raise NotFittedError(f"the calibrator '{self.id}' was not fitted")
        return {"calibrator": self.id, **vars(self)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The calibrator whose `state()` this is, bit for bit.

        Raises:
            StoreError: it is another calibrator's, or not one that `state` can give.
        """
        if state.get("calibrator") != cls.id:
            raise StoreError(f"{state.get('calibrator')!r} is not the state of the calibrator '{cls.id}'")
        made = cls.__new__(cls)
        kinds = cls.kinds()
        if state.keys() - {"calibrator"} != kinds.keys():
            raise StoreError(f"the state of '{cls.id}' holds {sorted(kinds)}, not {sorted(state)}")
        for name, kind in kinds.items():
            if not is_of(kind, state[name]):
                raise StoreError(f"the state of '{cls.id}' is damaged: {name} is {state[name]!r:.80}")
            value = state[name]
            setattr(made, name, list(value) if isinstance(value, list) else value)
        made.check_state()
        return made

    @classmethod
    @abstractmethod
    def kinds(cls) -> Mapping[str, type]:
        """What the state holds: float, int, or list (of finite floats)."""

    @abstractmethod
    def learn(self, scores: Floats, correct: NDArray[np.bool_]) -> None:
        """Learn from finite scores, not all equal, in ascending order, and both kinds of answers."""

    @abstractmethod
    def confidences(self, scores: Floats) -> Floats:
        """Of finite scores, (n,)."""

    def check_state(self) -> None:  # noqa: B027 - what each number is by itself was looked at already
        """Refuse a state that `fit` can't have learned.

        Raises:
            StoreError: it is one.
        """

    def _fitted(self) -> bool:
        return self.kinds().keys() <= vars(self).keys()

    def _checked(self, scores: ArrayLike) -> Floats:
        values = np.asarray(scores, dtype=np.float64)
        if values.ndim != 1 + self.many_scores:
            raise ValueError(
                f"scores must have shape {'(n, k)' if self.many_scores else '(n,)'}, not {values.shape}"
            )
        missing = int(np.isnan(values).sum())
        if missing:
            raise ValueError(f"scores hold {missing} NaN: drop and count the unscored samples first")
        return values


def check_both(right: NDArray[np.bool_], least: int) -> None:
    """Refuse too few answers, and answers of one kind.

    Raises:
        CalibrationError: says which.
    """
    if len(right) < least:
        raise CalibrationError(f"{len(right)} scored answers are too few to calibrate by: {least} are needed")
    if right.all() or not right.any():
        kind = "right" if right.all() else "wrong"
        raise CalibrationError(f"every answer to calibrate by is {kind}: both kinds are needed")


def within_finite(scores: Floats) -> Floats:
    """Scores (n,) or (n, k), infinities moved to the largest and smallest finite one of their column.

    Raises:
        CalibrationError: a column holds no finite score.
    """
    shown = np.abs(scores) <= LARGEST
    if not shown.any(axis=0).all():
        raise CalibrationError("no score is finite")
    low = np.where(shown, scores, np.inf).min(axis=0)
    high = np.where(shown, scores, -np.inf).max(axis=0)
    return np.asarray(np.clip(scores, low, high))


def is_of(kind: type, value: Any) -> bool:
    """Whether a value of JSON is of that kind: an int, a finite float, or a list of these.

    >>> is_of(float, 1.5), is_of(float, True), is_of(list, [1.0, float("inf")])
    (True, False, False)
    """
    if kind is list:
        return isinstance(value, list) and all(is_of(float, each) for each in value)
    if kind is float:
        return isinstance(value, float) and math.isfinite(value)
    return type(value) is kind


calibrators: Registry[type[Calibrator]] = Registry("calibrator", "llmood.calibrators", "llmood.calibrators")


def described(calibrator: type[Calibrator]) -> tuple[str, str, str]:
    """What lists show of one: what it reads, its arguments, and the first line of its docstring.

    >>> described(calibrators.get("histogram"))[:2]
    ('a score', 'bins=10')
    """
    reads = "scores of several scorers" if calibrator.many_scores else "a score"
    if calibrator.reads_probability:
        reads = "a probability of being right"
    arguments = ", ".join(f"{one.name}={one.default}" for one in signature(calibrator).parameters.values())
    return reads, arguments, (getdoc(calibrator) or "").partition("\n")[0]


C = TypeVar("C", bound=type[Calibrator])


def register(calibrator: C) -> C:
    """List a calibrator class under its `id`."""
    calibrators.add(calibrator.id, calibrator)
    return calibrator
