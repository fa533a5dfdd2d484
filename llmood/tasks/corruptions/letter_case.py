"""A caps-lock key that comes and goes."""

from __future__ import annotations

from llmood.tasks.corruptions.base import Uniforms, register
from llmood.tasks.corruptions.clusters import clusters


@register("case")
def letter_case(text: str, rate: float, uniforms: Uniforms) -> str:
    """Letters turned from lower to upper case and from upper to lower."""
    units = clusters(text)
    draws = uniforms(len(units), 1)[:, 0]
    return "".join(
        other_case(unit[0]) + unit[1:] if draw < rate else unit
        for unit, draw in zip(units, draws, strict=True)
    )


def other_case(char: str) -> str:
    """The letter in its other case; itself where it has none of one character (ß is SS)."""
    swapped = char.upper() if char.islower() else char.lower() if char.isupper() else char
    return swapped if len(swapped) == 1 else char
