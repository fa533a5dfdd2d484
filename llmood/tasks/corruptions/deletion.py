"""Words left out."""

from __future__ import annotations

from itertools import groupby

from llmood.tasks.corruptions.base import Uniforms, register
from llmood.tasks.corruptions.clusters import clusters


@register("deletion")
def deletion(text: str, rate: float, uniforms: Uniforms) -> str:
    """Words dropped, each with the space after it; at least one stays.

    Words are what white space parts: a text of a script without spaces is one word, and stays as it is. So do line
    breaks.
    """
    pieces = ["".join(run) for _, run in groupby(clusters(text), key=str.isspace)]
    words = [place for place, piece in enumerate(pieces) if not piece.isspace()]
    draws = uniforms(len(words), 1)[:, 0]
    kept = int(draws.argmax()) if words else -1
    for index, place in enumerate(words):
        if draws[index] < rate and index != kept:
            _drop(pieces, place)
    return "".join(pieces)


def _drop(pieces: list[str], place: int) -> None:
    pieces[place] = ""
    for beside in (place + 1, place - 1):
        if 0 <= beside < len(pieces) and pieces[beside] and not pieces[beside].strip(" \t"):
            pieces[beside] = ""
            return
