"""A row that vLLM is shown pictures with: what it is sent, and what it has to make of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

from PIL import Image

from llmood.tasks.row_errors import RowError

MOST_PICTURES = 1  # of one prompt


@dataclass(frozen=True, slots=True)
class ShownRow(Sequence[int]):
    """The ids of a row as the model has to read them, and what is sent so that it does.

    Attributes:
        ids: with all places of the pictures.
        sent: with one image token for each.
        images: their pixels, in that order.
        behind: how many ids stand behind the last picture.
    """

    ids: tuple[int, ...]
    sent: tuple[int, ...]
    images: tuple[Image.Image, ...]
    behind: int

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[int, ...]: ...
    def __getitem__(self, place: int | slice) -> Any:
        return self.ids[place]


def contracted(ids: Sequence[int], places: Sequence[tuple[int, int]], image_id: int) -> tuple[int, ...]:
    """The ids with one image token where each picture's places are.

    >>> contracted([5, 8, 9, 9, 8, 6], [(1, 5)], 9)
    (5, 9, 6)

    Raises:
        RowError: a word is the image token, too, which vLLM would take for a further picture.
    """
    found: list[int] = []
    last = 0
    for start, stop in sorted(places):
        found += [*ids[last:start], image_id]
        last = stop
    found += ids[last:]
    if found.count(image_id) != len(places):
        raise RowError("the words beside the picture hold its image token")
    return tuple(found)
