"""Reading the hidden states of some samples: one layer at one position, whatever else the store holds of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.engines.layers import layers_of
from llmood.engines.places import Place
from llmood.engines.state_files import beside, read_states
from llmood.engines.store import Store

KNOWN = ["shard", "layer", "position", "depth", "dim", "dtype"]


class StateReader:
    """The states at some places of one capture, in their order.

    Args:
        example: any shard of the capture; None where it has none at all.
    """

    def __init__(self, store: Store, places: Sequence[Place], example: str | None) -> None:
        self._store = store
        self._example = example
        self._rows: dict[str, tuple[list[int], list[int]]] = {}  # by shard: rows here, rows there
        self._size = len(places)
        for row, place in enumerate(places):
            if place.shard is not None and place.row is not None:
                here, there = self._rows.setdefault(place.shard, ([], []))
                here.append(row)
                there.append(place.row)

    @property
    def row_bytes(self) -> int:
        """What the stored states of one sample weigh; 0 where the capture has none."""
        if self._example is None:
            return 0
        known = self._known(self._example)
        several = len(known["layer"]) * len(known["position"])
        return several * int(known["dim"]) * int(np.dtype(known["dtype"]).itemsize)

    def read(self, layer: float | str, position: str) -> NDArray[np.float32]:
        """Float32 (n, size); rows without states are NaN. Size is 0 where the whole capture has none.

        Raises:
            KeyError: the capture has no such layer or position.
            StoreError: the store no longer has them whole.
        """
        if self._example is None:
            return np.empty((self._size, 0), dtype=np.float32)
        found = np.full((self._size, self._known(self._example)["dim"]), np.nan, dtype=np.float32)
        for shard, (here, there) in self._rows.items():
            known = self._known(shard)
            (number,) = layers_of(str(layer), known["depth"])
            values = read_states(beside(self._store.root / shard), known["shard"], number, position)
            found[here] = values[there]
        return found

    def _known(self, shard: str) -> dict[str, Any]:
        """What a shard's rows say alike."""
        rows: list[dict[str, Any]] = self._store.read(shard, KNOWN).slice(0, 1).to_pylist()
        return rows[0]
