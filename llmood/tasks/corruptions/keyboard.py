"""The finger that hits the key beside."""

from __future__ import annotations

from llmood.tasks.corruptions.base import Uniforms, register
from llmood.tasks.corruptions.clusters import clusters

# The letters that touch each key of a QWERTY keyboard.
NEIGHBOURS = {
    "q": "wa", "w": "qeas", "e": "wrsd", "r": "etdf", "t": "ryfg", "y": "tugh", "u": "yihj", "i": "uojk",
    "o": "ipkl", "p": "ol", "a": "qwsz", "s": "awedzx", "d": "serfxc", "f": "drtgcv", "g": "ftyhvb",
    "h": "gyujbn", "j": "huiknm", "k": "jiolm", "l": "kop", "z": "asx", "x": "zsdc", "c": "xdfv", "v": "cfgb",
    "b": "vghn", "n": "bhjm", "m": "njk",
}  # fmt: skip


@register("keyboard")
def keyboard(text: str, rate: float, uniforms: Uniforms) -> str:
    """Letters replaced by a neighbouring key of a QWERTY keyboard, in the same case."""
    units = clusters(text)
    draws = uniforms(len(units), 2)
    for place, unit in enumerate(units):
        near = NEIGHBOURS.get(unit.lower())
        if near is not None and draws[place, 0] < rate:
            hit = near[int(draws[place, 1] * len(near))]
            units[place] = hit.upper() if unit.isupper() else hit
    return "".join(units)
