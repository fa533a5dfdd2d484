"""What was captured of a run's samples, read block by block: the one read path of all scorers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from llmood.engines.block import Block
from llmood.engines.captures import RESPONSE, serves
from llmood.engines.index import Index
from llmood.engines.places import Place
from llmood.engines.state_reader import StateReader
from llmood.engines.states import HIDDEN_STATES
from llmood.engines.store import Store
from llmood.errors import StoreError
from llmood.records import BACKGROUND, OK, CaptureSpec, Split
from llmood.tables import CAPTURE_SCHEMAS, SEVERAL_ROWS

BLOCK_ROWS = 8192
OPEN_SHARDS = 16
Made = TypeVar("Made")


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
        self._places = Index(index, samples)

    @property
    def captures(self) -> list[str]:
        """The ids of what was captured."""
        return list(self._places.of)

    def has(self, spec: CaptureSpec) -> bool:
        return self._id(spec) in self._places.of

    def _id(self, spec: CaptureSpec) -> str:
        """What was captured for a spec: itself, or of a response one that has more than was asked for."""
        if spec.id in self._places.of or spec.kind != RESPONSE:
            return spec.id
        richer = (name for name in self._places.of if serves(CaptureSpec.from_id(name), spec))
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
            order = self._places.in_store_order(entries)
        for start in range(0, len(order), size):
            positions = order[start : start + size]
            tables = {spec: self._take(spec, positions, (columns or {}).get(spec.kind)) for spec in captures}
            readers = {spec: self._reader(spec, positions) for spec in captures if spec.kind == HIDDEN_STATES}
            yield Block(positions, self.samples.take(pa.array(positions)), tables, readers)

    def _reader(self, spec: CaptureSpec, positions: NDArray[np.int64]) -> StateReader:
        entries = self._placed(spec)
        places = self._places.places(entries[positions])
        return StateReader(self._store, places, self._places.first_shard(entries))

    def _placed(self, spec: CaptureSpec) -> NDArray[np.int64]:
        name = self._id(spec)
        if name not in self._places.of:
            raise StoreError(
                f"the run has no capture {spec.id}", hint="run it again with that scorer in its list"
            )
        return self._places.of[name]

    def _take(self, spec: CaptureSpec, positions: NDArray[np.int64], columns: list[str] | None) -> pa.Table:
        """The rows of one capture, aligned with `positions`; a row without an observation is null with its reason."""
        entries = self._placed(spec)
        if spec.kind not in SEVERAL_ROWS:
            return self._rows(spec, entries[positions], columns)
        entries, owner = self._places.several(spec.id, positions)
        table = self._rows(spec, entries, columns).append_column("row", pa.array(owner, pa.int64()))
        return table.append_column("draw", self._places.draws(entries))

    def _rows(self, spec: CaptureSpec, entries: NDArray[np.int64], columns: list[str] | None) -> pa.Table:
        """What these rows of the index stand for, in their order."""
        schema = CAPTURE_SCHEMAS[spec.kind]
        names = [name for name in schema.names if columns is None or name in {*columns, "status", "reason"}]
        shards = self._places.shards(entries)
        order = np.argsort(shards, kind="stable")
        parts = []
        for shard in np.unique(shards).tolist():
            own = entries[shards == shard]
            if shard < 0:
                parts.append(_absent(self._places.places(own), schema, names))
            else:
                whole, rows = self._shard(self._places.name(shard), names), self._places.rows(own)
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


__all__ = ["BLOCK_ROWS", "OPEN_SHARDS", "Block", "Observations"]
