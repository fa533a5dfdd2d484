"""What was captured of a run's samples, read block by block: the one read path of all scorers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.store import Store
from llmood.errors import StoreError
from llmood.records import FAILED, CaptureSpec
from llmood.tables import CAPTURE_SCHEMAS

BLOCK_ROWS = 8192
OPEN_SHARDS = 16


class Place(NamedTuple):
    """Where a sample's observation is, or (shard null) why there is none."""

    shard: str | None
    row: int | None
    status: str
    reason: str | None


NOWHERE = Place(None, None, FAILED, "was not captured")


@dataclass(frozen=True, slots=True)
class Block:
    """Some samples and their captures, row by row.

    Attributes:
        positions: where each row stands in the run's samples, int64 (n,).
        samples: the samples' columns, n rows.
        captures: a table of n rows for each capture; `status` tells the rows that hold none.
    """

    positions: NDArray[np.int64]
    samples: pa.Table
    captures: dict[CaptureSpec, pa.Table]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, spec: CaptureSpec) -> pa.Table:
        return self.captures[spec]


class Observations:
    """A run's samples joined with what the store holds of them.

    Args:
        samples: the samples table, in its order.
        index: rows of `tables.INDEX`; a row without a shard is an observation that could not be made.
        store: where the shards are.
    """

    def __init__(self, samples: pa.Table, index: pa.Table, store: Store) -> None:
        self.samples = samples
        self._store = store
        self._shards: OrderedDict[tuple[str, tuple[str, ...]], pa.Table] = OrderedDict()
        position = {sample_id: row for row, sample_id in enumerate(samples["sample_id"].to_pylist())}
        self._places: dict[str, list[Place]] = {}
        columns = ("sample_id", "capture", "shard", "row", "status", "reason")
        for sample_id, capture, *place in zip(*(index[name].to_pylist() for name in columns), strict=True):
            places = self._places.setdefault(capture, [NOWHERE] * len(position))
            if sample_id in position:
                places[position[sample_id]] = Place(*place)

    def has(self, spec: CaptureSpec) -> bool:
        return spec.id in self._places

    def blocks(
        self,
        captures: Sequence[CaptureSpec],
        columns: dict[str, list[str]] | None = None,
        size: int = BLOCK_ROWS,
    ) -> Iterator[Block]:
        """All samples once, `size` at a time, in the order in which the store holds the first capture.

        Scorers are row-wise, so the order is free; following the store opens each shard once, whatever the number of
        samples, and memory stays flat.

        Args:
            captures: what to join.
            columns: for a capture kind, the columns wanted (all by default); `status` and `reason` always come.
        """
        order = np.arange(self.samples.num_rows)
        if captures:
            places = self._placed(captures[0])
            order = np.array(
                sorted(order, key=lambda row: (places[row].shard or "", places[row].row or 0, row)),
                dtype=np.int64,
            )
        for start in range(0, len(order), size):
            positions = order[start : start + size]
            tables = {spec: self._take(spec, positions, (columns or {}).get(spec.kind)) for spec in captures}
            yield Block(positions, self.samples.take(pa.array(positions)), tables)

    def _placed(self, spec: CaptureSpec) -> list[Place]:
        if spec.id not in self._places:
            raise StoreError(
                f"the run has no capture {spec.id}", hint="run it again with that scorer in its list"
            )
        return self._places[spec.id]

    def _take(self, spec: CaptureSpec, positions: NDArray[np.int64], columns: list[str] | None) -> pa.Table:
        """The rows of one capture, aligned with `positions`; a row without an observation is null with its reason."""
        schema = CAPTURE_SCHEMAS[spec.kind]
        names = [name for name in schema.names if columns is None or name in {*columns, "status", "reason"}]
        places = self._placed(spec)
        rows_of: dict[str | None, list[int]] = {}
        for row, position in enumerate(positions):
            rows_of.setdefault(places[position].shard, []).append(row)
        parts, order = [], []
        for shard, rows in rows_of.items():
            order += rows
            if shard is None:
                parts.append(_absent([places[positions[row]] for row in rows], schema, names))
            else:
                parts.append(
                    self._shard(shard, names).take(pa.array([places[positions[row]].row for row in rows]))
                )
        joined = pa.concat_tables(parts) if parts else schema.empty_table().select(names)
        return joined.take(pa.array(np.argsort(np.array(order, dtype=np.int64)))).combine_chunks()

    def _shard(self, shard: str, names: list[str]) -> pa.Table:
        key = (shard, tuple(names))
        if key not in self._shards:
            try:
                self._shards[key] = self._store.read(shard, names)
            except StoreError as error:
                hint = "it was pruned or damaged: 'llmood run' with the same configuration makes it anew"
                raise StoreError(f"observations are missing from the store: {shard}", hint=hint) from error
            if len(self._shards) > OPEN_SHARDS:
                self._shards.popitem(last=False)
        self._shards.move_to_end(key)
        return self._shards[key]


def _absent(places: list[Place], schema: pa.Schema, names: list[str]) -> pa.Table:
    """Rows that hold no observation, with their status and reason."""
    known = {
        name: pa.array([getattr(place, name) for place in places], pa.string())
        for name in ("status", "reason")
    }
    arrays = [known.get(name, pa.nulls(len(places), schema.field(name).type)) for name in names]
    return pa.table(
        arrays, schema=pa.schema([schema.field(name) for name in names], metadata=schema.metadata)
    )
