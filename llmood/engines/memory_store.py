"""A store that lives as long as the object: for a few rows whose observations nobody reads twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from llmood.engines.store import Context, Location, Store
from llmood.errors import StoreError
from llmood.tables import CAPTURE_SCHEMAS


class MemoryStore(Store):
    """Shards as tables. It takes no hidden states: those are read from files."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.held: dict[str, pa.Table] = {}

    def context(self, kind: str, identity: Mapping[str, Any]) -> Context:
        return _MemoryContext(self, kind, identity)

    def read(self, shard: str, columns: list[str] | None = None) -> pa.Table:
        if shard not in self.held:
            raise StoreError(f"{shard}: was never held here")
        table = self.held[shard]
        return table if columns is None else table.select(columns)


class _MemoryContext(Context):
    store: MemoryStore

    def tables(self, columns: list[str]) -> Iterator[tuple[str, pa.Table]]:
        own = f"{self.kind}/{self.digest}/"
        held = [shard for shard in self.store.held if shard.startswith(own)]
        return ((shard, self.store.read(shard, columns)) for shard in held)

    def rate(self) -> float | None:
        return None

    def note_rate(self, tokens_per_second: float) -> None:
        pass  # of the next forecast: nobody makes one here

    def append(self, rows: list[dict[str, Any]]) -> dict[str, Location]:
        shard = f"{self.kind}/{self.digest}/{len(self.store.held)}"
        self.store.held[shard] = pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS[self.kind])
        return {row["key"]: Location(shard, index) for index, row in enumerate(rows)}
