"""How fast observations are written to the store and read from it, against Parquet itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.context import Context
from benchmarks.record import Record
from benchmarks.timing import alternate
from llmood.engines.observations import Observations
from llmood.engines.observe import SHARD_ROWS
from llmood.engines.store import Location, Store
from llmood.records import CaptureSpec
from llmood.tables import CAPTURE_SCHEMAS, INDEX, SAMPLES

SPEC = CaptureSpec.of("prompt_logprobs", "base")


@dataclass(frozen=True)
class StoreRates:
    """Token log-probabilities in shards of the usual size; the peer is one Parquet file of the same rows."""

    name: str = "store"
    rows: int = 16_384
    tokens: int = 64

    def measure(self, context: Context) -> list[Record]:
        rows = self._rows()
        table = pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS["prompt_logprobs"])
        number = iter(range(1_000_000))
        plain = context.folder / "plain.parquet"

        def write() -> Any:
            # A store of its own each time: what is there already isn't written again.
            store = Store(context.folder / f"store-{next(number)}")
            written = store.context("prompt_logprobs", {"engine": "bench"})
            places: dict[str, Location] = {}
            for start in range(0, self.rows, SHARD_ROWS):
                places |= written.append(rows[start : start + SHARD_ROWS])
            return store, places

        def write_plain() -> Any:
            made = pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS["prompt_logprobs"])
            pq.write_table(made, plain, compression="zstd")

        writing: dict[str, Callable[[], Any]] = {"ours": write, "theirs": write_plain}
        written = alternate(writing, context.repeats)
        observations = self._observations(*written["ours"].result)
        reading: dict[str, Callable[[], Any]] = {
            "ours": lambda: sum(len(block) for block in observations().blocks([SPEC])),
            "theirs": lambda: pq.read_table(plain).num_rows,
        }
        read = alternate(reading, context.repeats)
        if {timed.result for timed in read.values()} != {self.rows}:
            raise RuntimeError("rows were lost on the way")
        return [
            self._record("write", written, table.nbytes, context.command),
            self._record("read", read, table.nbytes, context.command),
        ]

    def _rows(self) -> list[dict[str, Any]]:
        generator = np.random.default_rng(0)
        ids = generator.integers(0, 32_000, size=(self.rows, self.tokens))
        logprobs = -generator.gamma(2.0, 2.0, size=(self.rows, self.tokens)).astype(np.float32)
        return [
            {
                "key": f"{index:064x}",
                "status": "ok",
                "reason": None,
                "token_ids": ids[index].tolist(),
                "logprobs": [None, *logprobs[index, 1:].tolist()],
                "spans": [{"name": "prompt", "start": 0, "end": self.tokens}],
            }
            for index in range(self.rows)
        ]

    def _observations(self, store: Store, places: dict[str, Location]) -> Callable[[], Observations]:
        found = [(f"s{index}", place) for index, place in enumerate(places.values())]
        samples = pa.Table.from_pylist([{"sample_id": name} for name, _ in found], schema=SAMPLES)
        index = pa.Table.from_pylist(
            [
                {
                    "sample_id": name,
                    "capture": SPEC.id,
                    "shard": place.shard,
                    "row": place.row,
                    "status": "ok",
                }
                for name, place in found
            ],
            schema=INDEX,
        )
        return lambda: Observations(samples, index, Store(store.root))

    def _record(self, what: str, best: dict[str, Any], size: int, command: str) -> Record:
        megabytes = size / 1e6
        ours, theirs = best["ours"].seconds, best["theirs"].seconds
        return Record(
            f"{self.name}_{what}",
            megabytes / ours,
            "MB/s",
            f"one Parquet file: {megabytes / theirs:.0f} MB/s",
            theirs / ours,
            None,
            command,
        )
