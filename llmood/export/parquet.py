"""A run's samples and observations as plain Parquet files, which `llmood import` makes a run of again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llmood.engines.observations import BLOCK_ROWS, Block, Observations
from llmood.engines.states import HIDDEN_STATES
from llmood.engines.store import Store
from llmood.export.reading import read_run_tables
from llmood.export.states import rows_of_a_file, write_states
from llmood.manifest import VERSION
from llmood.records import OK, CaptureSpec
from llmood.runs import Run
from llmood.tables import (
    CAPTURE_SCHEMAS,
    CORRECTNESS,
    JUDGED,
    SEVERAL_ROWS,
    atomic,
    read_table,
    write_json,
    write_table,
    write_text,
)

# What stands in `run.json` beside the files, for whoever has no run folder.
EXTRACT = ("name", "seed", "benchmark", "tasks", "background", "models", "captures", "versions", "started")


def export_run(run: str | Path, target: Path) -> Iterator[tuple[Path, int]]:
    """Write a run's samples and each of its captures as one file, and yield (file, rows).

    A capture has a row a sample, or a row a draw; hidden states have files beside it. `run.json` says of what they are,
    `rejects.jsonl` what is missing.

    Raises:
        ConfigError: the folder is no run.
        StoreError: the store no longer has what the run made, or the disk is full.
    """
    loaded = Run(run)
    samples, index = read_run_tables(loaded)
    files = {}
    for capture in loaded.manifest["captures"]:
        spec = CaptureSpec.from_id(capture)
        path = target / f"{capture.replace('/', '-').replace('?', '-')}.parquet"
        own = index.filter(pc.equal(index["capture"], capture))
        captured = samples.filter(pc.is_in(samples["sample_id"], own["sample_id"].combine_chunks()))
        yield from _write(path, spec, Observations(captured, own, Store()))
        files[capture] = path.name
    write_table(target / "samples.parquet", samples)
    yield target / "samples.parquet", samples.num_rows
    rejects = loaded.folder / "rejects.jsonl"
    if rejects.is_file():
        write_text(target / "rejects.jsonl", rejects.read_text(encoding="utf-8"))
    if (loaded.folder / JUDGED).is_file():
        judged = read_table(loaded.folder / JUDGED, CORRECTNESS)
        write_table(target / JUDGED, judged)
        yield target / JUDGED, judged.num_rows
    known = {key: loaded.manifest[key] for key in EXTRACT if key in loaded.manifest}
    extract = {
        "schema_version": VERSION,
        "status": loaded.status,
        "config": loaded.scored_config.model_dump(mode="json"),
        "exported": {"files": files},
    }
    # Last: an export that broke off is none.
    write_json(target / "run.json", {**known, **extract})


def _write(path: Path, spec: CaptureSpec, observations: Observations) -> Iterator[tuple[Path, int]]:
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
    states = spec.kind == HIDDEN_STATES
    size = rows_of_a_file(observations, spec) if states else BLOCK_ROWS
    with atomic(path) as partial, pq.ParquetWriter(partial, full, compression="zstd") as writer:
        for block in observations.blocks([spec], size=size):
            table, beside = write_states(path.parent, spec, block) if states else (block[spec], None)
            if beside is not None:
                yield beside, sum(status == OK for status in table["status"].to_pylist())
            owner, draw = _owners(block, spec)
            known = {
                "sample_id": block.samples["sample_id"].take(owner),
                "model": pa.array([spec.model] * len(owner), pa.string()),
                "target": pa.array([spec.target] * len(owner), pa.string()),
                "draw": draw,
            }
            columns = [known[name] if name in known else table[name] for name in full.names]
            writer.write_table(pa.table(columns, schema=full))
            rows += len(owner)
    yield path, rows


def _owners(block: Block, spec: CaptureSpec) -> tuple[pa.Array, pa.Array]:
    """Of each row of a capture, which of the block's samples it is of, and which draw (−1: there is but one)."""
    if spec.kind not in SEVERAL_ROWS:
        return pa.array(np.arange(len(block))), pa.array([-1] * len(block), pa.int16())
    table, _ = block.many(spec)
    return table["row"].combine_chunks(), pc.fill_null(table["draw"], -1)
