"""A threshold with what it promises: what a detector stores, and a report prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite, isnan
from typing import Any, Literal, Self, get_args

from numpy.typing import ArrayLike

from llmood.measures import split_conformal
from llmood.measures.conformal_risk import risk_threshold
from llmood.measures.learn_then_test import STARTS, cautious_thresholds, learn_then_test
from llmood.measures.pac_threshold import pac_rank, pac_threshold

Target = Literal["false_alarms", "wrong_answered", "error_among_answered"]


@dataclass(frozen=True)
class Threshold:
    """Flagged (or: not answered) is what scores above `value`; what equals it is not.

    Attributes:
        target: which rate is kept at or below `alpha`.
        alpha: the rate that is promised.
        delta: how often, over calibration sets, the promise may fail; None: it holds on average over them.
        value: the threshold; ∞ flags nothing, −∞ everything.
        n: how many calibration rows it was made from.
        low: with probability `level` the rate of this one threshold lies between low and high, where no scores are
            tied; None where no law says so.
        high: see low.
        level: see low; None where there is no range.
    """

    target: Target
    alpha: float
    delta: float | None
    value: float
    n: int
    low: float | None = None
    high: float | None = None
    level: float | None = None

    @classmethod
    def false_alarms(cls, calibration: ArrayLike, alpha: float, *, level: float = 0.9) -> Self:
        """At most α of what is drawn like the calibration rows is flagged, on average over calibration sets.

        Raises:
            TooFewError: α is smaller than 1/(n + 1).
        """
        known = split_conformal.checked(calibration)
        value = split_conformal.threshold(known, alpha)
        low, high = split_conformal.beta_range(len(known), alpha, level)
        return cls("false_alarms", alpha, None, value, len(known), low, high, level)

    @classmethod
    def false_alarms_for_most(
        cls, calibration: ArrayLike, alpha: float, delta: float, *, level: float = 0.9
    ) -> Self:
        """At most α of what is drawn like the calibration rows is flagged, for all but δ of calibration sets.

        Raises:
            TooFewError: α is smaller than 1 − δ^(1/n).
        """
        known = split_conformal.checked(calibration)
        value = pac_threshold(known, alpha, delta)
        low, high = split_conformal.beta_quantiles(len(known), pac_rank(len(known), alpha, delta), level)
        return cls("false_alarms", alpha, delta, value, len(known), low, high, level)

    @classmethod
    def wrong_answered(cls, scores: ArrayLike, wrong: ArrayLike, alpha: float) -> Self:
        """At most α of all questions are answered, and wrongly, on average over calibration sets.

        Raises:
            TooFewError: α is smaller than 1/(n + 1).
        """
        value = risk_threshold(scores, wrong, alpha)
        return cls("wrong_answered", alpha, None, value, len(split_conformal.checked(scores)))

    @classmethod
    def error_among_answered(
        cls, scores: ArrayLike, wrong: ArrayLike, alpha: float, delta: float, *, other: ArrayLike
    ) -> Self:
        """At most α of the answers that are given are wrong, for all but δ of calibration sets.

        Args:
            other: (l,) scores of other rows, of the half that calibrators are fitted on: from them the thresholds come
                that are tested.

        Raises:
            TooFewError: α is smaller than what n right answers would show.
        """
        n = len(split_conformal.checked(scores))
        levels = cautious_thresholds(other, n, alpha, delta)
        value = learn_then_test(scores, wrong, alpha, delta, levels, starts=min(STARTS, len(levels)))
        return cls("error_among_answered", alpha, delta, value, n)

    @property
    def rank(self) -> int:
        """Of false alarms: which of the n scores the threshold is, the largest being the first.

        Raises:
            ValueError: of another target, where no rank is chosen.
        """
        if self.target != "false_alarms":
            raise ValueError(f"a threshold of {self.target} has no rank")
        if self.delta is None:
            return split_conformal.rank(self.n, self.alpha)
        return pac_rank(self.n, self.alpha, self.delta)

    @property
    def guarantee(self) -> str:
        """The promise in one sentence."""
        return f"{PROMISES[self.target].format(alpha=percent(self.alpha))}, {self._how_sure()}."

    def _how_sure(self) -> str:
        if self.delta is None:
            return "on average over calibration sets"
        return f"for all but {percent(self.delta)} of calibration sets"

    def to_json(self) -> dict[str, Any]:
        """Plain values, without infinities: JSON has none."""
        return asdict(self) | {"value": self.value if isfinite(self.value) else str(self.value)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            ValueError: another key, or a value that `to_json` never gives.
        """
        if {*state} != {field.name for field in fields(cls)}:
            raise ValueError(f"a threshold has the keys {', '.join(field.name for field in fields(cls))}")
        if state["value"] not in ("inf", "-inf") and not _is_number(state["value"]):
            raise ValueError(f"value: a number, 'inf' or '-inf' is needed, not {state['value']!r}")
        read = cls(**(dict(state) | {"value": float(state["value"])}))
        read._check()
        return read

    def _check(self) -> None:
        if self.target not in get_args(Target):
            raise ValueError(f"target: one of {', '.join(get_args(Target))} is needed, not {self.target!r}")
        if type(self.n) is not int or self.n < 1:
            raise ValueError(f"n: a whole number above 0 is needed, not {self.n!r}")
        for name in ("alpha", "delta", "low", "high", "level"):
            given = getattr(self, name)
            if given is None and name != "alpha":
                continue
            if not _is_number(given) or not 0 <= given <= 1:
                raise ValueError(f"{name}: a number from 0 to 1 is needed, not {given!r}")


PROMISES: dict[Target, str] = {
    "false_alarms": "At most {alpha} of the questions that are drawn like the calibration rows are flagged",
    "wrong_answered": "At most {alpha} of the questions that are drawn like the calibration rows are answered wrongly",
    "error_among_answered": (
        "At most {alpha} of the answers that are given are wrong, on questions that are drawn like the calibration rows"
    ),
}


def percent(share: float) -> str:
    """A share as a reader says it.

    >>> percent(0.05), percent(0.005)
    ('5 %', '0.5 %')
    """
    return f"{100 * share:.4g} %"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not isnan(value)
