"""Where the store holds each sample's observation of each capture: the run's index, looked up by place."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from llmood.engines.places import Place
from llmood.records import FAILED
from llmood.tables import SEVERAL_ROWS

NOWHERE = Place(None, None, FAILED, "was not captured")


class Index:
    """Entries, which are rows of the index and −1 for nowhere, by capture and sample.

    Args:
        table: rows of `tables.INDEX`; a row without a shard is an observation that could not be made.
        samples: of which it is asked, in their order.

    Attributes:
        of: capture id → the entry of each sample, int64 (n,); of a kind with several rows a sample, its first.
    """

    def __init__(self, table: pa.Table, samples: pa.Table) -> None:
        self.table = table
        # By the table's rows, and one more for -1, nowhere: which of the shards by name (-1: none), which row there.
        names = pc.unique(table["shard"]).drop_null().sort()
        self._shard_names: list[str] = names.to_pylist()
        self._shard_of = np.append(_numbers(pc.index_in(table["shard"], value_set=names), -1), -1)
        self._row_of = np.append(_numbers(table["row"], 0), 0)
        sample = _numbers(
            pc.index_in(table["sample_id"], value_set=samples["sample_id"].combine_chunks()), -1
        )
        self.of: dict[str, NDArray[np.int64]] = {}
        self._several: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        captures = pc.unique(table["capture"])
        capture = _numbers(pc.index_in(table["capture"], value_set=captures), -1)
        for number, name in enumerate(captures.to_pylist()):
            entries = np.full(samples.num_rows, -1, dtype=np.int64)
            own = np.flatnonzero((capture == number) & (sample >= 0))
            if name.partition("/")[0] in SEVERAL_ROWS:
                entries[sample[own[::-1]]] = own[::-1]
                self._several[name] = self._by_draw(entries, sample, own)
            else:
                entries[sample[own]] = own
            self.of[name] = entries

    def _by_draw(
        self, first: NDArray[np.int64], sample: NDArray[np.int64], own: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All entries by sample and draw, -1 where a sample has none; and where each sample's begin."""
        nowhere = np.flatnonzero(first < 0)
        rows = np.append(sample[own], nowhere)
        draws = np.append(_numbers(self.table["draw"], 0)[own], np.zeros_like(nowhere))
        entries = np.append(own, np.full_like(nowhere, -1))
        order = np.lexsort((draws, rows))
        return entries[order], np.searchsorted(rows[order], np.arange(len(first) + 1)).astype(np.int64)

    def in_store_order(self, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        """Their places in the order in which the store holds what they stand for."""
        order: NDArray[np.int64] = np.lexsort(
            (np.arange(len(entries)), self._row_of[entries], self._shard_of[entries])
        )
        return order

    def several(
        self, capture: str, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All entries of the samples at these positions, by draw, and whose each is (which of the positions)."""
        every, offsets = self._several[capture]
        drawn = [every[offsets[position] : offsets[position + 1]] for position in positions]
        owner = np.repeat(np.arange(len(drawn)), [len(draws) for draws in drawn])
        return np.concatenate([*drawn, np.empty(0, np.int64)]), owner

    def draws(self, entries: NDArray[np.int64]) -> pa.ChunkedArray:
        """Which of several answers each is; null of nowhere."""
        return self._taken("draw", entries).cast(pa.int16())

    def places(self, entries: NDArray[np.int64]) -> list[Place]:
        """What the index says of these, place by place."""
        rows = zip(*(self._taken(name, entries).to_pylist() for name in Place._fields), strict=True)
        return [Place(*row) if entry >= 0 else NOWHERE for entry, row in zip(entries, rows, strict=True)]

    def _taken(self, column: str, entries: NDArray[np.int64]) -> pa.ChunkedArray:
        return self.table[column].take(pa.array(np.maximum(entries, 0), mask=entries < 0))

    def shards(self, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        """In which shard each is, by number; -1: in none."""
        found: NDArray[np.int64] = self._shard_of[entries]
        return found

    def name(self, shard: int) -> str:
        """What the store calls a shard."""
        return self._shard_names[shard]

    def rows(self, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each stands in its shard."""
        found: NDArray[np.int64] = self._row_of[entries]
        return found

    def first_shard(self, entries: NDArray[np.int64]) -> str | None:
        """The shard of the first that is in one."""
        held = self._shard_of[entries]
        held = held[held >= 0]
        return self._shard_names[held[0]] if len(held) else None


def _numbers(column: pa.ChunkedArray, absent: int) -> NDArray[np.int64]:
    """A column of whole numbers, with `absent` for null."""
    return np.asarray(pc.fill_null(column.cast(pa.int64()), absent).to_numpy(), dtype=np.int64)
