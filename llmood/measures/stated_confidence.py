"""A confidence that a model puts in words, read from what it said."""

from __future__ import annotations

import re
from typing import NamedTuple

NO_NUMBER = "it states no confidence"
OUT_OF_RANGE = "the stated confidence is out of range"

_NUMBER = r"(?P<number>[-\u2212]?\d++(?:[.,]\d++)?+)"
_PERCENT = r"(?P<percent>%|\uff05|percent\b|per cent\b)"
_OF = r"(?:/|out of|of)\s*(?P<whole>[1-9]\d{0,3})\b"
_UNIT = rf"(?:\s*{_PERCENT}|\s*{_OF}|(?!\w))"  # "2nd" is no confidence
_STATED = re.compile(rf"(?<![\w.,/]){_NUMBER}{_UNIT}", re.IGNORECASE)
_MARKS = r"[\s:=*_\"'(]{1,8}"  # without the minus, which is the number's
_NAMED = re.compile(
    rf"confidence{_MARKS}(?:(?:is|of|level|score){_MARKS}){{0,3}}{_NUMBER}{_UNIT}", re.IGNORECASE
)
_GUESSED = re.compile(rf"\bP\d+\s*[:=]\s*{_NUMBER}{_UNIT}", re.IGNORECASE)
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2},\d{3}")
# "from 0 to 100" says how it is counted, not how much.
_SCALE = re.compile(r"\b0(?:\.0)?\s*(?:-|\u2013|to|and)\s*(?:100|1\.0|1)\b\s*%?", re.IGNORECASE)


class Stated(NamedTuple):
    """A confidence in [0, 1], or why there is none."""

    confidence: float | None
    reason: str | None = None


def stated_confidence(text: str, *, named: bool = False) -> Stated:
    r"""The last confidence that a text states, on a scale from 0 to 100.

    "85", "85%", "85/100" and "0.85" are the same: a number with a point from 0 to 1 is a share unless it says percent;
    "1" is one of a hundred. Where some numbers follow the word "confidence", the last of those counts; else the last
    with a unit; else the last. One that isn't from 0 to 100 is no confidence, and no earlier number takes its place.

    Args:
        named: whether a number has to say that it is one, by the word or by its unit: the text holds an answer too.

    >>> stated_confidence("Answer: 42\nConfidence: 85%")
    Stated(confidence=0.85, reason=None)
    >>> stated_confidence("quite sure")
    Stated(confidence=None, reason='it states no confidence')
    """
    said = _SCALE.sub(" ", text)
    every = list(_STATED.finditer(said))
    with_unit = [found for found in every if found["percent"] or found["whole"]]
    known = list(_NAMED.finditer(said)) or with_unit or ([] if named else every)
    return _read(known[-1]) if known else Stated(None, NO_NUMBER)


def best_guess(text: str) -> Stated:
    r"""The highest of the probabilities behind "P1:", "P2:" and so on; with one out of range there is none.

    >>> best_guess("G1: Paris\nP1: 0.7\nG2: Lyon\nP2: 0.1")
    Stated(confidence=0.7, reason=None)
    """
    found = [_read(match) for match in _GUESSED.finditer(text)]
    if not found:
        return Stated(None, NO_NUMBER)
    return next(
        (each for each in found if each.confidence is None),
        max(found, key=lambda each: each.confidence or 0.0),
    )


def _read(match: re.Match[str]) -> Stated:
    number = match["number"].replace("\u2212", "-")
    # "1,000" is a thousand; "0,850" is a share with a decimal comma.
    shown = number.replace(",", "" if _THOUSANDS.fullmatch(number) else ".")
    value = float(shown)
    whole = 100.0 if match["percent"] else float(match["whole"] or 0)
    if not whole:
        whole = 1.0 if "." in shown and value <= 1.0 else 100.0
    confidence = value / whole
    return Stated(confidence) if 0.0 <= confidence <= 1.0 else Stated(None, OUT_OF_RANGE)
