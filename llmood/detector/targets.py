"""What a detector is asked to promise, and the thresholds that its calibration rows give for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

from llmood.calibration_config import CalibrationConfig
from llmood.errors import ConfigError
from llmood.measures import split_conformal
from llmood.measures.learn_then_test import least_error, least_rows
from llmood.measures.pac_threshold import pac_rank
from llmood.measures.threshold import Target, Threshold, percent
from llmood.measures.too_few import TooFewError
from llmood.questions.calibration_rows import CalibrationRows
from llmood.questions.promises import (
    NO_OTHER,
    Promise,
    error_among_answered,
    false_alarms,
    wrong_answered,
)

FALSE_ALARMS: Target = "false_alarms"
WRONG_ANSWERED: Target = "wrong_answered"
ERROR_AMONG_ANSWERED: Target = "error_among_answered"
DELTA = 0.1
MORE = (
    "promise less, or give the ID task more rows of its split 'calibration' (where answers are judged, "
    "about half of them make confidences instead)"
)


@dataclass(frozen=True, slots=True)
class Targets:
    """What a detector is to promise.

    Attributes:
        false_alarms: of questions like the calibration rows, at most this share is flagged.
        delta: the promises hold for all but this share of calibration sets. None: that of false alarms holds on average
            over them, and of the error among answers it is 0.1.
        wrong_answered: at most this share of all questions is answered, and wrongly, on average over calibration sets.
        error_among_answered: of the answers that are given, at most this share is wrong.
    """

    false_alarms: float = 0.05
    delta: float | None = None
    wrong_answered: float | None = None
    error_among_answered: float | None = None

    @classmethod
    def of(cls, config: CalibrationConfig | None, given: Mapping[str, float | None]) -> Targets:
        """What is asked for, by name, on top of a configuration.

        Its `delta` is that of a report, which shows both kinds of promise: a detector makes the one that is asked for.
        """
        rates: set[str] = {FALSE_ALARMS, WRONG_ANSWERED, ERROR_AMONG_ANSWERED}
        known = {} if config is None else config.model_dump(include=rates)
        return cls(**known | {name: value for name, value in given.items() if value is not None})

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ConfigError(f"{_option(name)}: a number between 0 and 1 is needed, not {value:g}")

    @property
    def needs_verdicts(self) -> str | None:
        """The option that takes answers which are known to be right or wrong; None where none does."""
        if self.wrong_answered is not None:
            return _option(WRONG_ANSWERED)
        return None if self.error_among_answered is None else _option(ERROR_AMONG_ANSWERED)

    @property
    def sure(self) -> float:
        """The δ of what can be promised with one only."""
        return DELTA if self.delta is None else self.delta

    def check(self, n: int) -> None:
        """Refuse what n calibration rows can't promise, whatever their scores are.

        Raises:
            ConfigError: names the smallest rate that they can.
        """
        with _refusing(FALSE_ALARMS):
            if self.delta is None:
                split_conformal.rank(n, self.false_alarms)
            else:
                pac_rank(n, self.false_alarms, self.delta)
        if self.wrong_answered is not None:
            with _refusing(WRONG_ANSWERED):
                split_conformal.rank(n, self.wrong_answered)
        alpha = self.error_among_answered
        if alpha is not None and (needed := least_rows(alpha, self.sure)) > n:
            with _refusing(ERROR_AMONG_ANSWERED):
                raise TooFewError(n, alpha, least_error(n, self.sure), needed)

    def thresholds(self, rows: CalibrationRows, scorer: str) -> list[Threshold]:
        """The thresholds by the scores of calibration rows; that of false alarms is the first.

        Raises:
            ConfigError: they are too few.
        """
        made = [false_alarms(rows, scorer, self.false_alarms, self.delta)]
        if self.wrong_answered is not None:
            made.append(wrong_answered(rows, scorer, self.wrong_answered))
        if self.error_among_answered is not None:
            made.append(error_among_answered(rows, scorer, self.error_among_answered, self.sure))
        return [_kept(promise) for promise in made]


def _kept(promise: Promise) -> Threshold:
    if promise.threshold is None:
        hint = None if promise.reason == NO_OTHER else MORE
        raise ConfigError(f"{_option(promise.target)}: {promise.reason}", hint=hint)
    return promise.threshold


@contextmanager
def _refusing(target: Target) -> Iterator[None]:
    """Say what a user can do about too few rows."""
    try:
        yield
    except TooFewError as error:
        raise ConfigError(f"{_option(target)}: {error}", hint=MORE) from None


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def range_of(threshold: Threshold) -> str:
    """How far the rate of the one threshold at hand is known, as a sentence."""
    made = f"It was made from {threshold.n:,} rows"
    if threshold.value == -inf:
        return f"{made}, which show no threshold that keeps it: nothing may be answered."
    if threshold.value == inf:
        return f"{made}, which show that everything may be answered."
    if threshold.low is None or threshold.high is None or threshold.level is None:
        return f"{made}."
    return (
        f"{made}; by the luck of these, the rate of this one threshold is between {percent(threshold.low)} and "
        f"{percent(threshold.high)} (with probability {percent(threshold.level)}; lower where scores are tied)."
    )
