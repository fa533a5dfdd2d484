"""What a detector is asked to promise, and the thresholds that its calibration rows give for it."""

from __future__ import annotations

from dataclasses import dataclass

from llmood.errors import ConfigError
from llmood.measures import split_conformal
from llmood.measures.threshold import Threshold, percent
from llmood.measures.token_statistics import Floats
from llmood.measures.too_few import TooFewError

FALSE_ALARMS = "false_alarms"


@dataclass(frozen=True, slots=True)
class Targets:
    """What a detector is to promise; the first one flags.

    Attributes:
        false_alarms: of rows like the calibration rows, at most this share is flagged.
        delta: for all but this share of calibration sets; None: on average over them.
    """

    false_alarms: float = 0.05
    delta: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                option = name.replace("_", "-")
                raise ConfigError(f"--{option}: a number between 0 and 1 is needed, not {value:g}")

    def check(self, n: int) -> None:
        """Refuse what n calibration rows can't promise, whatever their scores are.

        Raises:
            ConfigError: names the smallest rate that they can.
        """
        try:
            split_conformal.rank(n, self.false_alarms)
        except TooFewError as error:
            raise too_few(error, "false-alarms") from None

    def thresholds(self, scores: Floats) -> list[Threshold]:
        """The thresholds by the scores of calibration rows.

        Raises:
            ConfigError: they are too few.
        """
        try:
            return [Threshold.false_alarms(scores, self.false_alarms)]
        except TooFewError as error:
            raise too_few(error, "false-alarms") from None


def too_few(error: TooFewError, option: str) -> ConfigError:
    """What a user can do about too few rows."""
    return ConfigError(
        f"--{option}: {error}", hint="promise less, or give the ID task more rows of its split 'calibration'"
    )


def range_of(threshold: Threshold) -> str:
    """How far the rate of the one threshold at hand is known, as a sentence."""
    made = f"It was made from {threshold.n:,} rows"
    if threshold.low is None or threshold.high is None or threshold.level is None:
        return f"{made}."
    return (
        f"{made}; by the luck of these, the rate of this one threshold is between {percent(threshold.low)} and "
        f"{percent(threshold.high)} (with probability {percent(threshold.level)}; lower where scores are tied)."
    )
