"""Relaxed match: a number to within a share of the reference, any other text as it stands."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from llmood.judging.base import Judgement, register
from llmood.judging.exact_match import exact_match
from llmood.judging.numeric_match import NO_NUMBER, Reading, read_number
from llmood.records import EMPTY_ANSWER, NO_REFERENCE

# A reference that is a number and nothing else: sign, currency, digits, percent.
_NUMBER_ALONE = re.compile(
    r"[-+\u2212]?\s?[$\u20ac\u00a3\u00a5]?\s?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s?%?"
)


@register()
def relaxed_match(answer: str, references: Sequence[str], *, tolerance: float = 0.05) -> Judgement:
    """A reference that is a number: the answer's last number is within a share of it. Any other: `exact_match`.

    Source: the relaxed accuracy of ChartQA (Masry et al., Findings of ACL 2022). A year is a number too: 1950 is
    within 5 % of 2019.

    Args:
        tolerance: of the reference's magnitude, so that 0 is 0 alone, and −100 has room on both sides.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0.0):
        raise ValueError(f"tolerance is a number of 0 or more, not {tolerance:g}")
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    numbers = [_number(reference) for reference in references]
    words = [reference for reference, number in zip(references, numbers, strict=True) if number is None]
    if words and exact_match(answer, words).correct:
        return Judgement.of(True)
    wanted = [number for number in numbers if number is not None]
    said = read_number(answer) if wanted else None
    if said is None:
        return Judgement.of(False, NO_NUMBER if wanted and not words else None)
    within = any(
        is_within(ours, theirs, tolerance)
        for number in wanted
        for ours in said.values(number)
        for theirs in number.values(said)
    )
    return Judgement.of(within, said.how)


def is_within(said: float, wanted: float, tolerance: float) -> bool:
    """|said − wanted| ≤ tolerance · |wanted|."""
    return abs(said - wanted) <= tolerance * abs(wanted)


def _number(reference: str) -> Reading | None:
    return read_number(reference) if _NUMBER_ALONE.fullmatch(reference.strip()) else None
