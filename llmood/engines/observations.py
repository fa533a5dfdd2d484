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
from llmood.records import BACKGROUND, FAILED, OK, CaptureSpec, Split
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
        beside: the rows of a background; by default those that are among the samples.
    """

    def __init__(
        self,
        samples: pa.Table,
        index: pa.Table,
        store: Store,
        verdicts: Mapping[str, bool] | None = None,
        beside: pa.Table | None = None,
    ) -> None:
        self.samples = samples
        self._beside = samples.filter(pc.equal(samples["split"], BACKGROUND)) if beside is None else beside
        self.verdicts = verdicts
        self._index = index
        self._store = store
        self._shards: OrderedDict[tuple[str, tuple[str, ...]], pa.Table] = OrderedDict()
        self._shared: dict[Hashable, Any] = {}
        # By the index's rows, and one more for -1, nowhere: which of the shards by name (-1: none), which row there.
        names = pc.unique(index["shard"]).drop_null().sort()
        self._shard_names: list[str] = names.to_pylist()
        self._shard_of = np.append(_numbers(pc.index_in(index["shard"], value_set=names), -1), -1)
        self._row_of = np.append(_numbers(index["row"], 0), 0)
        sample = _numbers(
            pc.index_in(index["sample_id"], value_set=samples["sample_id"].combine_chunks()), -1
        )
        # By capture, rows of the index: the one of each sample, -1 where there is none; and of several, all.
        self._entries: dict[str, NDArray[np.int64]] = {}
        self._several: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        captures = pc.unique(index["capture"])
        capture = _numbers(pc.index_in(index["capture"], value_set=captures), -1)
        for number, name in enumerate(captures.to_pylist()):
            entries = np.full(samples.num_rows, -1, dtype=np.int64)
            own = np.flatnonzero((capture == number) & (sample >= 0))
            if name.partition("/")[0] in SEVERAL_ROWS:
                entries[sample[own[::-1]]] = own[::-1]
                self._several[name] = self._by_draw(entries, sample, own)
            else:
                entries[sample[own]] = own
            self._entries[name] = entries

    def _by_draw(
        self, first: NDArray[np.int64], sample: NDArray[np.int64], own: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All rows of the index by sample and draw, -1 where a sample has none; and where each sample's begin."""
        nowhere = np.flatnonzero(first < 0)
        rows = np.append(sample[own], nowhere)
        draws = np.append(_numbers(self._index["draw"], 0)[own], np.zeros_like(nowhere))
        entries = np.append(own, np.full_like(nowhere, -1))
        order = np.lexsort((draws, rows))
        return entries[order], np.searchsorted(rows[order], np.arange(len(first) + 1)).astype(np.int64)

    @property
    def captures(self) -> list[str]:
        """The ids of what was captured."""
        return list(self._entries)

    def has(self, spec: CaptureSpec) -> bool:
        return self._id(spec) in self._entries

    def _id(self, spec: CaptureSpec) -> str:
        """What was captured for a spec: itself, or of a response one that has more than was asked for."""
        if spec.id in self._entries or spec.kind != RESPONSE:
            return spec.id
        richer = (name for name in self._entries if serves(CaptureSpec.from_id(name), spec))
        return next(richer, spec.id)

    def having(self, spec: CaptureSpec) -> Observations:
        """Those of the samples that a capture was made of, whatever came of it."""
        return self._part(pa.array(self._placed(spec) >= 0))

    def keys(self, spec: CaptureSpec) -> dict[str, str | None]:
        """The key of each sample that a capture was to be made of; None where there is no observation."""
        own = self._index.filter(pc.equal(self._index["capture"], self._id(spec)))
        return dict(zip(own["sample_id"].to_pylist(), own["key"].to_pylist(), strict=True))

    def notes(self, capture: str) -> dict[str, str]:
        """What is worth saying of how an observation was made, by sample id; none of those that weren't."""
        names = set(self.samples["sample_id"].to_pylist())
        columns = (self._index[name].to_pylist() for name in ("capture", "sample_id", "status", "reason"))
        return {
            name: reason
            for own, name, status, reason in zip(*columns, strict=True)
            if own == capture and status == OK and reason is not None and name in names
        }

    def of(self, split: Split) -> Observations:
        """Those of the samples of one split."""
        return self._part(pc.equal(self.samples["split"], split))

    @property
    def background(self) -> Observations:
        """The rows of a task beside the benchmark, which some scorers hold the ID rows against; maybe none.

        Every part of a run has them, so that `fit` finds them beside the rows of `train`.
        """
        return self.shared(
            BACKGROUND, lambda: Observations(self._beside, self._index, self._store, self.verdicts)
        )

    def only(self, sample_ids: Sequence[str]) -> Observations:
        """Those of the samples with these ids."""
        return self._part(pc.is_in(self.samples["sample_id"], pa.array(sample_ids, pa.string())))

    def _part(self, own: pa.Array | pa.ChunkedArray) -> Observations:
        """Those of the samples for which this is true; the background is the same."""
        return Observations(self.samples.filter(own), self._index, self._store, self.verdicts, self._beside)

    def shared(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What several scorers read of these rows, made once; it lives as long as this object."""
        if key not in self._shared:
            self._shared[key] = make()
        found: Made = self._shared[key]
        return found

    def judged(self, verdicts: Mapping[str, bool] | None) -> Observations:
        """The same samples, with which of their answers are right."""
        return Observations(self.samples, self._index, self._store, verdicts, self._beside)

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
            entries = self._placed(min(captures, key=lambda spec: spec.kind != HIDDEN_STATES))[order]
            order = np.lexsort((order, self._row_of[entries], self._shard_of[entries]))
        for start in range(0, len(order), size):
            positions = order[start : start + size]
            tables = {spec: self._take(spec, positions, (columns or {}).get(spec.kind)) for spec in captures}
            readers = {spec: self._reader(spec, positions) for spec in captures if spec.kind == HIDDEN_STATES}
            yield Block(positions, self.samples.take(pa.array(positions)), tables, readers)

    def _reader(self, spec: CaptureSpec, positions: NDArray[np.int64]) -> StateReader:
        entries = self._placed(spec)
        shards = self._shard_of[entries]
        held = shards[shards >= 0]
        example = self._shard_names[held[0]] if len(held) else None
        return StateReader(self._store, self._told(entries[positions]), example)

    def _told(self, entries: NDArray[np.int64]) -> list[Place]:
        """What the index says of these, place by place."""
        found = self._index.select(Place._fields).take(pa.array(np.maximum(entries, 0), mask=entries < 0))
        rows = zip(*(column.to_pylist() for column in found.columns), strict=True)
        return [Place(*row) if entry >= 0 else NOWHERE for entry, row in zip(entries, rows, strict=True)]

    def _placed(self, spec: CaptureSpec) -> NDArray[np.int64]:
        name = self._id(spec)
        if name not in self._entries:
            raise StoreError(
                f"the run has no capture {spec.id}", hint="run it again with that scorer in its list"
            )
        return self._entries[name]

    def _take(self, spec: CaptureSpec, positions: NDArray[np.int64], columns: list[str] | None) -> pa.Table:
        """The rows of one capture, aligned with `positions`; a row without an observation is null with its reason."""
        entries = self._placed(spec)
        if spec.kind not in SEVERAL_ROWS:
            return self._rows(spec, entries[positions], columns)
        every, offsets = self._several[spec.id]
        drawn = [every[offsets[position] : offsets[position + 1]] for position in positions]
        entries = np.concatenate([*drawn, np.empty(0, np.int64)])
        owner = np.repeat(np.arange(len(drawn)), [len(draws) for draws in drawn])
        numbers = self._index["draw"].take(pa.array(np.maximum(entries, 0), mask=entries < 0))
        table = self._rows(spec, entries, columns).append_column("row", pa.array(owner, pa.int64()))
        return table.append_column("draw", numbers.cast(pa.int16()))

    def _rows(self, spec: CaptureSpec, entries: NDArray[np.int64], columns: list[str] | None) -> pa.Table:
        """What these rows of the index stand for, in their order."""
        schema = CAPTURE_SCHEMAS[spec.kind]
        names = [name for name in schema.names if columns is None or name in {*columns, "status", "reason"}]
        shards = self._shard_of[entries]
        order = np.argsort(shards, kind="stable")
        parts = []
        for shard in np.unique(shards).tolist():
            own = entries[shards == shard]
            if shard < 0:
                parts.append(_absent(self._told(own), schema, names))
            else:
                whole, rows = self._shard(self._shard_names[shard], names), self._row_of[own]
                every = np.array_equal(rows, np.arange(whole.num_rows))
                parts.append(whole if every else whole.take(pa.array(rows)))
        joined = pa.concat_tables(parts) if parts else schema.empty_table().select(names)
        if (np.diff(order) != 1).any():  # blocks follow the store, so mostly they are in order already
            joined = joined.take(pa.array(np.argsort(order)))
        return joined.combine_chunks()

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


def _numbers(column: pa.ChunkedArray, absent: int) -> NDArray[np.int64]:
    """A column of whole numbers, with `absent` for null."""
    return np.asarray(pc.fill_null(column.cast(pa.int64()), absent).to_numpy(), dtype=np.int64)


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
