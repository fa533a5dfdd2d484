"""A block of samples with what was captured of them, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.state_reader import StateReader
from llmood.records import FAILED, CaptureSpec
from llmood.tables import SEVERAL_ROWS


@dataclass(frozen=True, slots=True)
class Block:
    """Some samples and their captures, row by row.

    Attributes:
        positions: where each row stands in the run's samples, int64 (n,).
        samples: the samples' columns, n rows.
        captures: a table of n rows for each capture; `status` tells the rows that hold none. Of a kind with several
            rows a sample, a table of all of them with `row` (which of the n) and `draw`, in that order: see `many`.
        readers: how the hidden states of a capture are read: see `states`.
    """

    positions: NDArray[np.int64]
    samples: pa.Table
    captures: dict[CaptureSpec, pa.Table]
    readers: Mapping[CaptureSpec, StateReader] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, spec: CaptureSpec) -> pa.Table:
        return self.captures[spec]

    def many(self, spec: CaptureSpec) -> tuple[pa.Table, NDArray[np.int64]]:
        """All draws of each row, of a kind with several rows a sample.

        Returns:
            (table, offsets): those of row i are `table[offsets[i]:offsets[i + 1]]`, by draw. A row without any has one
            that says so in `status` and `reason`.
        """
        table = self.captures[spec]
        return table, np.searchsorted(table["row"].to_numpy(), np.arange(len(self) + 1)).astype(np.int64)

    def states(self, spec: CaptureSpec, layer: float | str, position: str) -> NDArray[np.float32]:
        """The hidden states of one layer at one position, float32 (n, size), NaN where `status` says there is none.

        Args:
            layer: as a capture's `layers` names one: 6, -1, "0.5".
            position: as the capture names it.

        Raises:
            KeyError: the capture has no such layer or position.
            StoreError: the store no longer has them whole.
        """
        return self.readers[spec].read(layer, position)

    def failed(self, spec: CaptureSpec) -> NDArray[np.bool_]:
        """Which rows have an observation that failed, bool (n,)."""
        table = self.captures[spec]
        failed = np.array([status == FAILED for status in table["status"].to_pylist()], dtype=np.bool_)
        if spec.kind not in SEVERAL_ROWS:
            return failed
        found = np.zeros(len(self), dtype=np.bool_)
        found[table["row"].to_numpy()[failed]] = True
        return found
