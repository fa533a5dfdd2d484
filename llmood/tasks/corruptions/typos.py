"""Slips of the pen: a letter too many, too few, twice, or before its neighbour."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmood.tasks.corruptions.base import Uniforms, register
from llmood.tasks.corruptions.clusters import clusters, is_letter

Slip = Literal["insert", "delete", "swap", "double"]
SLIPS: tuple[Slip, ...] = ("insert", "delete", "swap", "double")


@dataclass(frozen=True, slots=True)
class Edit:
    """One slip: at a letter's place in the text's clusters, made where the rate is above its threshold."""

    threshold: float
    place: int
    slip: Slip
    letter: str = ""


@register("typos")
def typos(text: str, rate: float, uniforms: Uniforms) -> str:
    """Letters inserted, deleted, swapped or doubled, a quarter of the slips each.

    An inserted letter is one of its word's own, so that any script stays itself. A word's first letter is never
    deleted: no word vanishes. Where a slip isn't possible (a swap of equal letters), the letter is doubled.
    """
    units = clusters(text)
    edits = plan_edits(units, uniforms(len(units), 3))
    return "".join(apply_edits(units, [edit for edit in edits if edit.threshold < rate]))


def plan_edits(units: list[str], draws: NDArray[np.float64]) -> list[Edit]:
    """All the slips that a rate of 1 would make, no two at the same letter, by rising threshold.

    Args:
        draws: (clusters, 3) in [0, 1): threshold, which slip, which letter.
    """
    words = _words(units)
    taken: set[int] = set()
    edits: list[Edit] = []
    # By rising threshold, so that what a low grade does leaves a high grade no choice.
    for place in sorted(words, key=lambda place: (draws[place, 0], place)):
        if place in taken:
            continue
        slip = SLIPS[int(draws[place, 1] * len(SLIPS))]
        after = place + 1
        if slip == "delete" and place - 1 not in words:
            slip = "double"
        if slip == "swap" and (after not in words or after in taken or units[after] == units[place]):
            slip = "double"
        taken |= {place, after} if slip == "swap" else {place}
        first, last = words[place]
        letter = units[first + int(draws[place, 2] * (last - first))] if slip == "insert" else ""
        edits.append(Edit(float(draws[place, 0]), place, slip, letter))
    return edits


def _words(units: list[str]) -> dict[int, tuple[int, int]]:
    """Of each letter, where the run of letters that it stands in begins and ends."""
    found: dict[int, tuple[int, int]] = {}
    for letters, run in groupby(range(len(units)), key=lambda place: is_letter(units[place])):
        places = list(run)
        if letters:
            found |= dict.fromkeys(places, (places[0], places[-1] + 1))
    return found


def apply_edits(units: list[str], edits: list[Edit]) -> list[str]:
    """The clusters with the slips made; an inserted letter stands after its place."""
    out = list(units)
    for edit in edits:
        here = units[edit.place]
        if edit.slip == "swap":
            out[edit.place], out[edit.place + 1] = units[edit.place + 1], here
        else:
            out[edit.place] = {"insert": here + edit.letter, "delete": "", "double": here + here}[edit.slip]
    return out
