"""A run's observations as plain Parquet files that stand without the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.manifest import check_planned
from llmood.records import CaptureSpec
from llmood.run import Run
from llmood.tables import CAPTURE_SCHEMAS, INDEX, SAMPLES, atomic, read_table


def export_run(run: str | Path, target: Path) -> Iterator[tuple[Path, int]]:
    """Write each capture of a run as one file, a row a sample, and yield (file, rows).

    Raises:
        ConfigError: the folder is no run, or its `run.json` is damaged.
        StoreError: the store no longer has what the run made, or the disk is full.
    """
    loaded = Run(run)
    check_planned(loaded.folder, loaded.manifest)
    samples = read_table(loaded.folder / "samples.parquet", SAMPLES, ["sample_id"])
    index = read_table(loaded.folder / "observations" / "index.parquet", INDEX)
    observations = Observations(samples, index, Store())
    for capture in loaded.manifest["captures"]:
        spec = CaptureSpec.from_id(capture)
        path = target / f"{capture.replace('/', '-').replace('?', '-')}.parquet"
        yield path, _write(path, spec, observations)


def _write(path: Path, spec: CaptureSpec, observations: Observations) -> int:
    schema = CAPTURE_SCHEMAS[spec.kind]
    common = [
        pa.field("sample_id", pa.string()),
        pa.field("model", pa.string()),
        pa.field("target", pa.string()),
    ]
    full = pa.schema(
        [schema.field(0), *common, pa.field("draw", pa.int16()), *list(schema)[1:]], metadata=schema.metadata
    )
    rows = 0
    with atomic(path) as partial, pq.ParquetWriter(partial, full, compression="zstd") as writer:
        for block in observations.blocks([spec]):
            count = len(block)
            known = {
                "sample_id": block.samples["sample_id"],
                "model": pa.array([spec.model] * count, pa.string()),
                "target": pa.array([spec.target] * count, pa.string()),
                "draw": pa.array([-1] * count, pa.int16()),
            }
            table = block[spec]
            columns = [known[name] if name in known else table[name] for name in full.names]
            writer.write_table(pa.table(columns, schema=full))
            rows += count
    return rows
