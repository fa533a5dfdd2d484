"""Thresholds by target: what a detector promises, and from how many rows."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.errors import ConfigError

FALSE_ALARMS = "false_alarms"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold and its promise; a row is flagged iff its score is above it."""

    target: str
    alpha: float
    delta: float | None
    value: float
    n: int

    @property
    def guarantee(self) -> str:
        """The promise in one sentence."""
        return (
            f"At most {100 * self.alpha:.4g} % of the questions that are drawn like the calibration rows are flagged, "
            "on average over calibration sets."
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Threshold:
        return cls(**value)


def split_conformal(calibration: NDArray[np.float64], alpha: float) -> float:
    """The ⌈(1 − α)(n + 1)⌉-th smallest."""
    rank = math.ceil((1 - alpha) * (len(calibration) + 1) - 1e-9)
    return float(np.sort(calibration)[rank - 1])


@dataclass(frozen=True, slots=True)
class Targets:
    """What a detector is to promise."""

    false_alarms: float = 0.05
    delta: float | None = None

    @classmethod
    def of(cls, **given: float) -> Targets:
        """Targets of options.

        Raises:
            ConfigError: one is no share.
        """
        for name, value in given.items():
            if not 0 < value < 1:
                option = name.replace("_", "-")
                raise ConfigError(f"--{option}: a number between 0 and 1 is needed, not {value:g}")
        return cls(**given)

    def check(self, n: int) -> None:
        """Refuse what so few rows can't promise."""
        least = 1 / (n + 1)
        if self.false_alarms < least:
            raise ConfigError(
                f"false alarms at most {self.false_alarms:g} needs more than {n} calibration rows for thresholds: "
                f"the smallest possible with these is {least:.4g}"
            )

    def thresholds(self, calibration: NDArray[np.float64]) -> list[Threshold]:
        """The thresholds by these scores."""
        self.check(len(calibration))
        value = split_conformal(calibration, self.false_alarms)
        return [Threshold(FALSE_ALARMS, self.false_alarms, None, value, len(calibration))]


def range_of(threshold: Threshold) -> str:
    """Where the rate of one threshold lies, in a sentence."""
    return f"It was made from {threshold.n} rows."
