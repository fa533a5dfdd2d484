"""`merge`: the shards of a run → the run. It needs no model, no data set and no tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from llmood.config_file import recorded_config
from llmood.engines.canary import worst
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError, StoreError
from llmood.manifest import SHARD, check_samples, read_records
from llmood.pieces import PIECES, joined, read_pieces, write_pieces
from llmood.progress import Progress
from llmood.records import Reject
from llmood.report.kept_pictures import FILE as PICTURES
from llmood.report.kept_pictures import joined_pictures, read_pictures, write_pictures
from llmood.run import conclude, write_inputs
from llmood.run_folder import RunFolder
from llmood.runs import Run
from llmood.sameness import READERS
from llmood.scorers.choose import make_scorers
from llmood.sharding import POSITION, SHARD_SAMPLES, outcomes, samples_digest
from llmood.shards import FoundShard, find_shards
from llmood.tables import CORRECTNESS, INDEX, JUDGED, SAMPLES, read_table, write_table

SAMPLES_FILE, INDEX_FILE, REJECTS_FILE = "samples.parquet", "observations/index.parquet", "rejects.jsonl"


def merge(
    run: str | Path,
    *more: str | Path,
    output_dir: str | Path | None = None,
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Make one run of all its shards: samples, scores, metrics, checks and report, as if it had never been cut.

    Args:
        run: the folder that the shards were written to; a shard's own folder will do.
        more: further ones, where each machine wrote to its own.
        output_dir: the run folder; by default `run`.
        progress: shows how far it is; silent by default.
        command: what to record as the command.

    Raises:
        ConfigError: the shards are not of one run, or the folder holds another run.
        UnfinishedError: a shard is missing or not finished.
        StoreError: a shard is damaged, or the store lacks what it observed.
    """
    progress = progress or Progress()
    if output_dir is None and (Path(run) / SHARD).is_file():
        raise ConfigError(f"{run}: is one shard, and where the run goes is not said", hint="say it with -o")
    target = RunFolder(Path(run if output_dir is None else output_dir))
    shards = find_shards([Path(run), *map(Path, more)])
    made = shards[0].manifest
    config = recorded_config(made["config"], place=f"{shards[0].folder.path / SHARD}: config")
    scorers = make_scorers(config)
    target.claim(config)
    progress.say("reading shards")
    store = Store()
    parts = [_part(shard) for shard in shards]
    samples = _joined(shards, parts)
    indexes = [_own_index(shard, part) for shard, part in zip(shards, parts, strict=True)]
    index = _index(indexes, samples, shards[0].manifest["captures"])
    judged = _judged(shards, samples)
    rejects = [Reject(**row) for row in read_records(shards[0].folder.file(REJECTS_FILE), Reject)]
    _bring(shards, indexes, store)
    with target.locked():
        target.claim(config)  # again: another run may have ended here since
        target.claim_content(made)
        with target.ending(text=config.text):
            target.begin(config, str(made.get("name", target.path.name)), command)
            keys = ("benchmark", "tasks", "background", "models", *READERS, "captures", "engine")
            described = {key: made.get(key) for key in keys}
            compared = _compared(shards)
            canary = worst([shard.manifest.get("canary") for shard in shards if not shard.is_empty])
            origins = [shard.origin for shard in shards]
            target.write_manifest("running", **described, **compared, canary=canary, shards=origins)
            write_inputs(target, samples, rejects)
            write_table(target.file(INDEX_FILE), index)
            kept = [read_pictures(shard.folder.file(PICTURES)) for shard in shards]
            write_pictures(target.file(PICTURES), joined_pictures(kept))
            write_pieces(target, joined(read_pieces(shard.folder.file(PIECES)) for shard in shards))
            observations = Observations(samples, index, store)
            status = conclude(target, config, observations, scorers, progress, judged=judged)
        target.write_manifest(status)
    return Run(target.path)


def _part(shard: FoundShard) -> pa.Table:
    """The samples of one shard."""
    part = _read(shard, SAMPLES_FILE, SHARD_SAMPLES)
    if part.num_rows != shard.manifest["shard"]["samples"]:
        raise _damaged(shard.folder.file(SAMPLES_FILE), f"it isn't what {SHARD} counts")
    return part


def _joined(shards: Sequence[FoundShard], parts: Sequence[pa.Table]) -> pa.Table:
    """The samples of the whole run, in its order."""
    joined = pa.concat_tables(parts)
    order = np.argsort(joined[POSITION].to_numpy(), kind="stable")
    samples = _as(SAMPLES, joined.take(pa.array(order)))
    first = shards[0]
    if samples_digest(samples) != first.manifest["shard"]["digest"]:
        raise _damaged(first.folder.path.parent, "the shards' samples together are not the run's")
    check_samples(first.folder.path, first.manifest, samples, SHARD)
    return samples


def _own_index(shard: FoundShard, samples: pa.Table) -> pa.Table:
    """Where the observations of one shard are."""
    index = _read(shard, INDEX_FILE, INDEX)
    if outcomes(index) != shard.manifest.get("observed"):
        raise _damaged(shard.folder.file(INDEX_FILE), f"it isn't what {SHARD} counts")
    # Shards may be alike in number.
    if not set(index["sample_id"].to_pylist()) <= set(samples["sample_id"].to_pylist()):
        raise _damaged(shard.folder.file(INDEX_FILE), "it names samples that are not this shard's")
    return index


def _index(indexes: Sequence[pa.Table], samples: pa.Table, order_of_captures: Sequence[str]) -> pa.Table:
    """Where the observations are, in the order of a run that was never cut: by capture, then by sample."""
    joined = pa.concat_tables(indexes)
    captures = _places(order_of_captures, joined["capture"])
    positions = _places(samples["sample_id"].to_pylist(), joined["sample_id"])
    # Stable: the draws of a sample stay as they are.
    order = pa.array(np.lexsort((positions, captures)))
    return _as(INDEX, joined.take(order))


def _compared(shards: Sequence[FoundShard]) -> dict[str, dict[str, dict[str, int]]]:
    """What comparing answers took, of all shards together; nothing where none were compared."""
    total: dict[str, dict[str, int]] = {}
    for shard in shards:
        for capture, counts in (shard.manifest.get("compared") or {}).items():
            own = total.setdefault(capture, {})
            own |= {name: own.get(name, 0) + count for name, count in counts.items()}
    return {"compared": total} if total else {}


def _judged(shards: Sequence[FoundShard], samples: pa.Table) -> pa.Table | None:
    """The verdicts of all shards, in the samples' order; each was given where the words were."""
    if all(shard.manifest.get("judged") is None for shard in shards):
        return None
    parts = []
    for shard in shards:
        part = _read(shard, JUDGED, CORRECTNESS)
        if part.num_rows != shard.manifest.get("judged"):
            raise _damaged(shard.folder.file(JUDGED), f"it isn't what {SHARD} counts")
        parts.append(part)
    joined = pa.concat_tables(parts)
    positions = _places(samples["sample_id"].to_pylist(), joined["sample_id"])
    return _as(CORRECTNESS, joined.take(pa.array(np.argsort(positions, kind="stable"))))


def _read(shard: FoundShard, name: str, schema: pa.Schema) -> pa.Table:
    path = shard.folder.file(name)
    table = read_table(path, schema)
    if table.schema.names != schema.names or table.schema.types != schema.types:
        raise _damaged(path, "its columns are others")
    return table


def _damaged(path: Path, what: str) -> StoreError:
    return StoreError(f"{path}: is damaged: {what}", hint="run that shard again: its observations are kept")


def _as(schema: pa.Schema, table: pa.Table) -> pa.Table:
    """A table of this very schema: the order of its metadata too is part of the bytes that are written."""
    return pa.Table.from_arrays(table.select(schema.names).combine_chunks().columns, schema=schema)


def _places(names: Sequence[str], column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    place = {name: position for position, name in enumerate(names)}
    return np.array([place.get(name, -1) for name in column.to_pylist()], dtype=np.int64)


def _bring(shards: Sequence[FoundShard], indexes: Sequence[pa.Table], store: Store) -> None:
    """Make sure that the store holds what the shards observed. What one carries with it is copied there."""
    for shard, index in zip(shards, indexes, strict=True):
        names = set(index["shard"].drop_null().to_pylist())
        lacking = store.take(Store(shard.folder.file(INDEX_FILE).parent), names)
        if lacking:
            raise StoreError(
                f"{shard}: {len(lacking)} of its {len(names)} files of observations are not in the store here",
                hint="merge where its store is (LLMOOD_CACHE), or run it there again with --carry and bring its folder",
            )
