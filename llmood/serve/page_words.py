"""A decision in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmood.detector.content import ANSWER, SCORE, Content
from llmood.detector.targets import FALSE_ALARMS
from llmood.halves import THRESHOLDS
from llmood.serve.decision import Decision
from llmood.serve.explaining import Word

STRENGTHS = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a question.

    Attributes:
        tone: `outside`, `inside` or `none`.
        how: how rare such a score is in the domain; why there is none.
    """

    tone: str
    title: str
    how: str


@dataclass(frozen=True, slots=True)
class Shade:
    """A word as the page shows it: `up`, `down` or `flat`, and how strongly, from 0 to 3."""

    text: str
    change: float | None
    reason: str | None
    sign: str
    strength: int


def verdict(decision: Decision, content: Content) -> Said:
    """The headline of a decision, and one sentence more."""
    if decision.score is None:
        return Said("none", "No score", decision.reason or "no reason was given")
    thing = "answers" if content.stage == "post" else "questions"
    how = rarity(decision.p_value, len(content.calibration[f"{SCORE}/{THRESHOLDS}"]), thing)
    if decision.flag:
        return Said("outside", "Outside of what the model was tuned for", how)
    return Said("inside", "Like what the model was tuned for", how)


def rarity(p_value: float | None, n: int, thing: str) -> str:
    """A p-value among n calibration scores, as a person says it.

    >>> rarity(0.02, 99, "questions")
    'About 1 in 50 in-domain questions looks this unusual, or more so.'
    >>> rarity(1 / 60, 59, "questions")
    'None of the 59 in-domain questions that it was calibrated on looks this unusual.'
    >>> rarity(0.4, 99, "questions")
    '40 of 100 in-domain questions look this unusual, or more so.'
    """
    if p_value is None:
        return "It has no p-value."
    if p_value * (n + 1) < 1.5:
        return f"None of the {n} in-domain {thing} that it was calibrated on looks this unusual."
    if p_value < 0.1:
        return f"About 1 in {round(1 / p_value)} in-domain {thing} looks this unusual, or more so."
    return f"{round(100 * p_value)} of 100 in-domain {thing} look this unusual, or more so."


def answers(decision: Decision, content: Content) -> list[tuple[str, bool | None]]:
    """What each promise about answers says of this one: the promise, and whether the answer may be given."""
    return [
        (each.guarantee, decision.answers.get(f"{ANSWER}{each.target}"))
        for each in content.thresholds
        if each.target != FALSE_ALARMS
    ]


def promise(content: Content) -> str:
    """The promise behind a flag."""
    return next(each.guarantee for each in content.thresholds if each.target == FALSE_ALARMS)


def shades(words: Sequence[Word]) -> list[Shade]:
    """The strength is in thirds of the largest change; what is below a thousandth of it has none."""
    largest = max((abs(word.change) for word in words if word.change is not None), default=0.0)
    found = []
    for word in words:
        share = abs(word.change) / largest if largest and word.change is not None else 0.0
        strength = math.ceil(STRENGTHS * share) if share >= 0.001 else 0
        sign = "flat" if not strength or word.change is None else "up" if word.change > 0 else "down"
        found.append(Shade(word.text, word.change, word.reason, sign, strength))
    return found


def ranked(shown: Sequence[Shade]) -> list[Shade]:
    """The words that have a change, what makes the question most unusual first."""
    there = [each for each in shown if each.change is not None]
    return sorted(there, key=lambda each: -(each.change or 0.0))


def seconds(value: float | None) -> str:
    """A time to a decision.

    >>> seconds(0.0123), seconds(2.5), seconds(None)
    ('12 ms', '2.5 s', '–')
    """
    if value is None:
        return "–"
    if value >= 1:
        return f"{value:.1f} s"
    return f"{1000 * value:.2g} ms" if value < 0.01 else f"{1000 * value:.0f} ms"
