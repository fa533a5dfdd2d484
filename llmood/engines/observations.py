"""What was captured of a run's samples, read block by block: the one read path of all scorers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from llmood.engines.captures import RESPONSE, serves
from llmood.engines.places import Place
from llmood.engines.state_reader import StateReader
from llmood.engines.states import HIDDEN_STATES
from llmood.engines.store import Store
from llmood.errors import StoreError
from llmood.records import FAILED, CaptureSpec, Split
from llmood.tables import CAPTURE_SCHEMAS, SEVERAL_ROWS

BLOCK_ROWS = 8192
OPEN_SHARDS = 16
Made = TypeVar("Made")


NOWHERE = Place(None, None, FAILED, "was not captured")


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


class Observations:
    """A run's samples joined with what the store holds of them.

    Args:
        samples: the samples table, in its order.
        index: rows of `tables.INDEX`; a row without a shard is an observation that could not be made.
        store: where the shards are.
        verdicts: sample id → whether its answer is right; None where no answer was judged.
    """

    def __init__(
        self, samples: pa.Table, index: pa.Table, store: Store, verdicts: Mapping[str, bool] | None = None
    ) -> None:
        self.samples = samples
        self.verdicts = verdicts
        self._index = index
        self._store = store
        self._shards: OrderedDict[tuple[str, tuple[str, ...]], pa.Table] = OrderedDict()
        position = {sample_id: row for row, sample_id in enumerate(samples["sample_id"].to_pylist())}
        self._places: dict[str, list[Place]] = {}
        self._shared: dict[Hashable, Any] = {}
        self._more: dict[str, dict[int, list[Place]]] = {}  # the draws after the first, by capture and sample
        columns = ("sample_id", "capture", "shard", "row", "status", "reason", "draw")
        for sample_id, capture, *place in zip(*(index[name].to_pylist() for name in columns), strict=True):
            self._places.setdefault(capture, [NOWHERE] * len(position))
            if sample_id in position:
                self._add(capture, position[sample_id], Place(*place))

    def _add(self, capture: str, row: int, place: Place) -> None:
        places = self._places[capture]
        if places[row] is NOWHERE or capture.partition("/")[0] not in SEVERAL_ROWS:
            places[row] = place
        else:
            self._more.setdefault(capture, {}).setdefault(row, []).append(place)

    @property
    def captures(self) -> list[str]:
        """The ids of what was captured."""
        return list(self._places)

    def has(self, spec: CaptureSpec) -> bool:
        return self._id(spec) in self._places

    def _id(self, spec: CaptureSpec) -> str:
        """What was captured for a spec: itself, or of a response one that has more than was asked for."""
        if spec.id in self._places or spec.kind != RESPONSE:
            return spec.id
        richer = (name for name in self._places if serves(CaptureSpec.from_id(name), spec))
        return next(richer, spec.id)

    def having(self, spec: CaptureSpec) -> Observations:
        """Those of the samples that a capture was made of, whatever came of it."""
        made = pa.array([place is not NOWHERE for place in self._placed(spec)], pa.bool_())
        return Observations(self.samples.filter(made), self._index, self._store, self.verdicts)

    def keys(self, spec: CaptureSpec) -> dict[str, str | None]:
        """The key of each sample that a capture was to be made of; None where there is no observation."""
        own = self._index.filter(pc.equal(self._index["capture"], self._id(spec)))
        return dict(zip(own["sample_id"].to_pylist(), own["key"].to_pylist(), strict=True))

    def of(self, split: Split) -> Observations:
        """Those of the samples of one split."""
        own = self.samples.filter(pc.equal(self.samples["split"], split))
        return Observations(own, self._index, self._store, self.verdicts)

    def shared(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What several scorers read of these rows, made once; it lives as long as this object."""
        if key not in self._shared:
            self._shared[key] = make()
        found: Made = self._shared[key]
        return found

    def judged(self, verdicts: Mapping[str, bool] | None) -> Observations:
        """The same samples, with which of their answers are right."""
        return Observations(self.samples, self._index, self._store, verdicts)

    def correct(self) -> NDArray[np.float64]:
        """Which answers are right, float64 (n,): 1 right, 0 wrong, NaN where that isn't known."""
        known = self.verdicts or {}
        return np.array(
            [known.get(name, np.nan) for name in self.samples["sample_id"].to_pylist()], np.float64
        )

    def blocks(
        self,
        captures: Sequence[CaptureSpec],
        columns: dict[str, list[str]] | None = None,
        size: int = BLOCK_ROWS,
    ) -> Iterator[Block]:
        """All samples once, `size` at a time, in the order in which the store holds the first capture, or the states.

        Scorers are row-wise, so the order is free; following the store opens each shard once, whatever the number of
        samples, and memory stays flat.

        Args:
            captures: what to join.
            columns: for a capture kind, the columns wanted (all by default); `status` and `reason` always come.
        """
        order = np.arange(self.samples.num_rows)
        if captures:
            # What is largest decides.
            places = self._placed(min(captures, key=lambda spec: spec.kind != HIDDEN_STATES))
            order = np.array(
                sorted(order, key=lambda row: (places[row].shard or "", places[row].row or 0, row)),
                dtype=np.int64,
            )
        for start in range(0, len(order), size):
            positions = order[start : start + size]
            tables = {spec: self._take(spec, positions, (columns or {}).get(spec.kind)) for spec in captures}
            readers = {spec: self._reader(spec, positions) for spec in captures if spec.kind == HIDDEN_STATES}
            yield Block(positions, self.samples.take(pa.array(positions)), tables, readers)

    def _reader(self, spec: CaptureSpec, positions: NDArray[np.int64]) -> StateReader:
        places = self._placed(spec)
        example = next((place.shard for place in places if place.shard is not None), None)
        return StateReader(self._store, [places[position] for position in positions], example)

    def _placed(self, spec: CaptureSpec) -> list[Place]:
        name = self._id(spec)
        if name not in self._places:
            raise StoreError(
                f"the run has no capture {spec.id}", hint="run it again with that scorer in its list"
            )
        return self._places[name]

    def _take(self, spec: CaptureSpec, positions: NDArray[np.int64], columns: list[str] | None) -> pa.Table:
        """The rows of one capture, aligned with `positions`; a row without an observation is null with its reason."""
        places = self._placed(spec)
        if spec.kind not in SEVERAL_ROWS:
            return self._rows(spec, [places[position] for position in positions], columns)
        more = self._more.get(spec.id, {})
        drawn = [
            sorted((places[position], *more.get(position, ())), key=lambda place: place.draw or 0)
            for position in positions.tolist()
        ]
        table = self._rows(spec, [place for draws in drawn for place in draws], columns)
        owner = np.repeat(np.arange(len(drawn)), [len(draws) for draws in drawn])
        numbers = pa.array([place.draw for draws in drawn for place in draws], pa.int16())
        return table.append_column("row", pa.array(owner, pa.int64())).append_column("draw", numbers)

    def _rows(self, spec: CaptureSpec, places: Sequence[Place], columns: list[str] | None) -> pa.Table:
        """What is at these places, in their order."""
        schema = CAPTURE_SCHEMAS[spec.kind]
        names = [name for name in schema.names if columns is None or name in {*columns, "status", "reason"}]
        rows_of: dict[str | None, list[int]] = {}
        for row, place in enumerate(places):
            rows_of.setdefault(place.shard, []).append(row)
        parts, order = [], []
        for shard, rows in rows_of.items():
            order += rows
            if shard is None:
                parts.append(_absent([places[row] for row in rows], schema, names))
            else:
                parts.append(self._shard(shard, names).take(pa.array([places[row].row for row in rows])))
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
