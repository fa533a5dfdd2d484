"""Numeric match: the last number of the answer is a reference's number."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from llmood.judging.base import Judgement, register
from llmood.judging.normalise import compatible
from llmood.records import EMPTY_ANSWER, NO_REFERENCE

NO_NUMBER = "no number in the answer"
NO_NUMBER_WANTED = "no number in the reference"

# Minus and fraction bar; Arabic marks; the spaces that group digits.
_AS_ASCII = str.maketrans({"\u2212": "-", "\u2044": "/", "\u066b": ".", "\u066c": ","})
_GROUPING_SPACE = re.compile(r"(?<=\d)[\u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))")
_VULGAR = re.compile(r"[\u00bc-\u00be\u2150-\u215e\u2189]")
_NUMBER = re.compile(
    r"""
    (?P<sign>(?<![\w)\]])[-+](?=[$\u20ac\u00a3\u00a5]?[\d.]))?[$\u20ac\u00a3\u00a5]?
    (?:
        (?<![\w./,]) (?:(?P<whole>\d+)[ ])? (?<![./,\d]) (?P<top>\d+) [ ]?/[ ]? (?P<bottom>\d+) (?!\d|/|\.\d)
      | (?<![\w.]) (?P<plain> (?:\d{1,3}(?:,\d{3})+(?!\d)|\d+) (?:\.\d+)? (?:[eE][-+]?\d+)? | \.\d+ (?:[eE][-+]?\d+)? )
    )
    (?![\d\u00b2\u00b3\u00b9\u2070-\u2079])
    (?P<percent>\s?(?:%|per\s?cent\b))?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A number as it was read.

    Attributes:
        value: as written, a percentage not divided by 100.
        count: how many numbers there were; the last one was taken.
    """

    value: float
    percent: bool
    fraction: bool
    count: int

    @property
    def how(self) -> str:
        """How it was read, in words that don't say the number."""
        form = ", a percentage" * self.percent + ", a fraction" * self.fraction
        return (f"read the last of {self.count} numbers" if self.count > 1 else "read one number") + form

    def values(self, other: Reading) -> tuple[float, ...]:
        """What it may mean beside another: where only one of them says percent, 60 % is 60 or 0.6."""
        return (self.value, self.value / 100) if self.percent and not other.percent else (self.value,)


@register()
def numeric_match(answer: str, references: Sequence[str], *, tolerance: float = 1e-6) -> Judgement:
    """The last number of the answer is that of a reference, to within a share of it.

    Args:
        tolerance: of the reference's magnitude; of 0, as it stands.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0.0):
        raise ValueError(f"tolerance is a number of 0 or more, not {tolerance:g}")
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    wanted = [reading for reading in map(read_number, references) if reading is not None]
    if not wanted:
        return Judgement.undefined(NO_NUMBER_WANTED)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    said = read_number(answer)
    if said is None:
        return Judgement.of(False, NO_NUMBER)
    return Judgement.of(any(_same(said, reading, tolerance) for reading in wanted), said.how)


def same_number(one: str, other: str, *, tolerance: float = 1e-6) -> bool | None:
    """Whether the last numbers of two texts are the same, either read beside the other; None where one has none."""
    first, second = read_number(one), read_number(other)
    if first is None or second is None:
        return None
    return _same(first, second, tolerance) or _same(second, first, tolerance)


def read_number(text: str) -> Reading | None:
    """The last number of a text, in English notation: 1,234.5, −3, 1e-3, 3/4, 1 3/4, ½, 12 %; None where there is none.

    Spaces and apostrophes group digits too (1 234 with a no-break space, 1'234), as do the Arabic marks, and digits
    may be of any script. A comma that groups no three digits ends a number: "3,5" are two.
    """
    plain = compatible(_GROUPING_SPACE.sub(",", text)).translate(_AS_ASCII)
    plain = _VULGAR.sub(lambda found: " " + _spelled(found[0]), plain)
    found = [(match, value) for match in _NUMBER.finditer(plain) if (value := _value(match)) is not None]
    if not found:
        return None
    last, value = found[-1]
    return Reading(value, last["percent"] is not None, last["top"] is not None, len(found))


def _spelled(fraction: str) -> str:
    return unicodedata.normalize("NFKC", fraction).replace("\u2044", "/")


def _value(match: re.Match[str]) -> float | None:
    if match["top"] is None:
        value = float(match["plain"].replace(",", ""))
    else:
        bottom = float(match["bottom"])
        if bottom == 0:
            return None
        value = float(match["whole"] or 0) + float(match["top"]) / bottom
    return None if not math.isfinite(value) else (-value if match["sign"] == "-" else value)


def _same(said: Reading, wanted: Reading, tolerance: float) -> bool:
    return any(
        abs(ours - theirs) <= tolerance * (abs(theirs) or 1.0)
        for ours in said.values(wanted)
        for theirs in wanted.values(said)
    )
