"""What processors made of the pictures that were shown last: a run shows each of them several times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmood.engines.models.pixels import Pixels

MOST_BYTES = 256 << 20


class KeptPixels:
    """Tensors by what they are of, those that were asked for last, up to so many bytes."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, Pixels] = OrderedDict()

    def get(self, name: Hashable) -> Pixels | None:
        """The tensors kept under a name; None where there are none."""
        found = self._kept.get(name)
        if found is not None:
            self._kept.move_to_end(name)
        return found

    def add(self, name: Hashable, pixels: Pixels) -> None:
        """Keep these, and drop what was asked for longest ago where that is too much."""
        if name in self._kept:
            return
        self._kept[name] = pixels
        self._bytes += _size(pixels)
        while self._bytes > self._most:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(pixels: Pixels) -> int:
    return sum(tensor.nbytes for tensor in pixels.values())
