"""Thresholds of one scorer with what they promise, made of the `calibration` rows that no calibrator learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    held, delta = rows.held(scorer), config.delta
    alpha = config.false_alarms
    found = [
        _promise("false_alarms", alpha, None, len(held), lambda: Threshold.false_alarms(held, alpha)),
        _promise(
            "false_alarms",
            alpha,
            delta,
            len(held),
            lambda: Threshold.false_alarms_for_most(held, alpha, delta),
        ),
    ]
    return [*found, *_on_answers(rows, scorer, config)] if judged else found


def _on_answers(rows: CalibrationRows, scorer: str, config: CalibrationConfig) -> list[Promise]:
    scores, correct = rows.held_answers(scorer)
    wrong, found = ~correct, []
    risk, error, delta = config.wrong_answered, config.error_among_answered, config.delta
    if risk is not None:
        made = _promise(
            "wrong_answered", risk, None, len(scores), lambda: Threshold.wrong_answered(scores, wrong, risk)
        )
        found.append(made)
    if error is not None:
        other = rows.beside(scorer)
        if not len(other):
            return [*found, Promise("error_among_answered", error, delta, len(scores), None, NO_OTHER)]
        made = _promise(
            "error_among_answered",
            error,
            delta,
            len(scores),
            lambda: Threshold.error_among_answered(scores, wrong, error, delta, other=other),
        )
        found.append(made)
    return found


def _promise(
    target: Target, alpha: float, delta: float | None, n: int, make: Callable[[], Threshold]
) -> Promise:
    try:
        return Promise(target, alpha, delta, n, make())
    except TooFewError as error:
        return Promise(target, alpha, delta, n, None, str(error))
