"""Thresholds of one scorer with what they promise, made of the `calibration` rows that no calibrator learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from llmood.calibration_config import CalibrationConfig
from llmood.measures.split_conformal import beta_binomial_interval
from llmood.measures.threshold import Target, Threshold
from llmood.measures.too_few import TooFewError
from llmood.questions.calibration_rows import CalibrationRows

LEVEL = 0.99
"""How often a false-alarm rate lies in the range that its promise expects."""
NO_OTHER = (
    "no calibration row of the calibrators' half is scored: the thresholds that are tested come from there"
)


@dataclass(frozen=True, slots=True)
class Promise:
    """One threshold.

    Attributes:
        delta: how often, over calibration sets, it may fail; None: it holds on average over them.
        n: from how many rows it is made.
        threshold: None where it can't be made.
        reason: why.
    """

    target: Target
    alpha: float
    delta: float | None
    n: int
    threshold: Threshold | None
    reason: str | None = None

    def expected(self, n_test: int) -> tuple[float, float] | None:
        """Where the share of n_test rows that is flagged lies, where they are drawn like the calibration rows.

        Exact where no scores are tied; ties make it smaller. None for other targets: their law isn't known.
        """
        if self.target != "false_alarms" or self.threshold is None or n_test < 1:
            return None
        # What the threshold's rank would promise on average.
        return beta_binomial_interval(self.n, self.threshold.rank / (self.n + 1), n_test, LEVEL)


def promises(rows: CalibrationRows, scorer: str, config: CalibrationConfig, *, judged: bool) -> list[Promise]:
    """The thresholds of a scorer that a configuration asks for.

    Args:
        judged: whether thresholds on wrong answers can be made.
    """
    alpha, delta = config.false_alarms, config.delta
    found = [false_alarms(rows, scorer, alpha, None), false_alarms(rows, scorer, alpha, delta)]
    if judged and config.wrong_answered is not None:
        found.append(wrong_answered(rows, scorer, config.wrong_answered))
    if judged and config.error_among_answered is not None:
        found.append(error_among_answered(rows, scorer, config.error_among_answered, delta))
    return found


def false_alarms(rows: CalibrationRows, scorer: str, alpha: float, delta: float | None) -> Promise:
    """That at most this share of ID rows is flagged.

    Args:
        delta: for all but this share of calibration sets; None: on average over them.
    """
    held = rows.held(scorer)

    def make() -> Threshold:
        if delta is None:
            return Threshold.false_alarms(held, alpha)
        return Threshold.false_alarms_for_most(held, alpha, delta)

    return _promise("false_alarms", alpha, delta, len(held), make)


def wrong_answered(rows: CalibrationRows, scorer: str, alpha: float) -> Promise:
    """That at most this share of all rows is answered, and wrongly, on average over calibration sets."""
    scores, correct = rows.held_answers(scorer)
    make = partial(Threshold.wrong_answered, scores, ~correct, alpha)
    return _promise("wrong_answered", alpha, None, len(scores), make)


def error_among_answered(rows: CalibrationRows, scorer: str, alpha: float, delta: float) -> Promise:
    """That at most this share of the answers that are given is wrong, for all but delta of calibration sets."""
    scores, correct = rows.held_answers(scorer)
    other = rows.beside(scorer)
    if not len(other):
        return Promise("error_among_answered", alpha, delta, len(scores), None, NO_OTHER)
    make = partial(Threshold.error_among_answered, scores, ~correct, alpha, delta, other=other)
    return _promise("error_among_answered", alpha, delta, len(scores), make)


def _promise(
    target: Target, alpha: float, delta: float | None, n: int, make: Callable[[], Threshold]
) -> Promise:
    try:
        return Promise(target, alpha, delta, n, make())
    except TooFewError as error:
        return Promise(target, alpha, delta, n, None, str(error))
