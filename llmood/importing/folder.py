"""A run made of what `llmood cache export` wrote of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from llmood.config import RunConfig
from llmood.engines.captures import ANSWER, COMPARING, DRAWN, EQUIVALENCE, RESPONSE
from llmood.engines.states import HIDDEN_STATES
from llmood.engines.store import Store
from llmood.errors import ConfigError, DataError
from llmood.identity import FileDigests, digest
from llmood.importing.captures import ENGINE, Captures
from llmood.importing.choose import check_scorers
from llmood.importing.imported import Imported
from llmood.importing.states import ExportedStates
from llmood.manifest import check_planned, check_samples, read_manifest, read_records
from llmood.records import CaptureSpec, Reject
from llmood.strict import parse
from llmood.tables import CAPTURE_SCHEMAS, CORRECTNESS, JUDGED, SAMPLES, read_table
from llmood.yaml_files import apply_overrides

ANEW = "'llmood cache export' writes it anew"
PLACE = ("sample_id", "draw", "key")


def digest_of(folder: Path) -> str:
    """What tells one export from another: the content of its files.

    Raises:
        ConfigError: the folder is no export.
    """
    files = [folder / name for name in (*_files(folder).values(), "samples.parquet")]
    for path in files:
        if not path.is_file():
            raise ConfigError(f"{path}: is not there", hint=ANEW)
    return digest([FileDigests().of_all(files), read_manifest(folder)])


def read_folder(
    folder: Path, store: Store, content: str, *, text: bool, scorers: Sequence[str], overrides: Sequence[str]
) -> Imported:
    """Read an export back: the same samples, the same observations.

    Args:
        content: `digest_of` it.

    Raises:
        ConfigError: the folder is no export.
        StoreError: its `run.json` is damaged.
        DataError: one of its tables is.
    """
    manifest = read_manifest(folder)
    check_planned(folder, manifest)
    settings = {**manifest["config"]}
    settings["engine"] = {**settings.get("engine", {}), "kind": ENGINE}
    settings |= {"text": False} if not text else {}
    settings |= {"scorers": list(scorers)} if scorers else {}
    config = parse(RunConfig, apply_overrides(settings, overrides), place=f"{folder}/run.json: config")
    samples = read_table(folder / "samples.parquet", SAMPLES)
    check_samples(folder, manifest, samples)
    ids = samples["sample_id"].to_pylist()
    positions = {sample_id: position for position, sample_id in enumerate(ids)}
    if len(positions) < len(ids):
        raise DataError(f"{folder / 'samples.parquet'}: holds a sample id twice", hint=ANEW)
    captures = Captures(store, content, private=not config.text)
    for capture, name in _files(folder).items():
        _read(folder / name, _spec(capture, folder), captures, positions)
    rejects: list[Reject] = []
    if (folder / "rejects.jsonl").is_file():
        rejects = [Reject(**row) for row in read_records(folder / "rejects.jsonl", Reject)]
    specs = [spec.id for spec in captures.specs]
    described = {
        **{key: manifest.get(key) for key in ("benchmark", "tasks", "models", "background")},
        "captures": specs,
        "imported": {"digest": content, "folder": folder.name},
    }
    index = captures.index(dict(enumerate(ids)), complete=False)
    chosen = check_scorers(config, specs, str(folder), (manifest.get("background") or {}).get("asked"))
    name = str(manifest["benchmark"]["name"])
    judged = _judged(folder / JUDGED, positions)
    return Imported(config, name, samples, index, rejects, described, chosen, judged=judged)


def _judged(path: Path, positions: Mapping[str, int]) -> pa.Table | None:
    """The verdicts that were exported, as they stand."""
    if not path.is_file():
        return None
    table = read_table(path, CORRECTNESS)
    if not set(table["sample_id"].to_pylist()) <= positions.keys():
        raise DataError(f"{path}: has a sample that samples.parquet lacks", hint=ANEW)
    return table


def _files(folder: Path) -> dict[str, str]:
    """Capture → file of an export."""
    exported = read_manifest(folder).get("exported")
    if exported is None:
        raise ConfigError(
            f"{folder}: is a run, not an export of one", hint="'llmood cache export' writes one"
        )
    files = exported.get("files") if isinstance(exported, Mapping) else None
    plain = isinstance(files, Mapping) and all(
        isinstance(name, str) and Path(name).name == name for name in files.values()
    )
    if not plain or not isinstance(files, Mapping):
        raise ConfigError(f"{folder / 'run.json'}: is damaged: exported.files", hint=ANEW)
    return dict(files)


def _spec(capture: str, folder: Path) -> CaptureSpec:
    name = capture.partition("?")[0].split("/")
    if len(name) != 3 or name[0] not in CAPTURE_SCHEMAS:
        raise ConfigError(f"{folder / 'run.json'}: no capture '{capture[:60]}' is known here", hint=ANEW)
    return _as_imported(CaptureSpec.from_id(capture))


def _as_imported(spec: CaptureSpec) -> CaptureSpec:
    """The capture without how its answers were decoded, which no scorer of an import asks for."""
    kept = dict(spec.params)
    if spec.kind == "generations":
        kept = {}
    elif spec.kind == EQUIVALENCE:
        kept = {name: value for name, value in kept.items() if name in {*COMPARING, f"{ANSWER}top"}}
    elif spec.is_derived:
        kept = {name: value for name, value in kept.items() if not name.startswith(DRAWN)}
    elif spec.kind == RESPONSE:
        kept.pop("max_new_tokens", None)
    return CaptureSpec.of(spec.kind, spec.model, spec.target, **kept)


def _read(path: Path, spec: CaptureSpec, captures: Captures, positions: Mapping[str, int]) -> None:
    names = [name for name in CAPTURE_SCHEMAS[spec.kind].names if name != "key"]
    captures.begin(spec)
    states = ExportedStates(path.parent, ANEW)
    for row in _rows(path, [*PLACE, *names], spec.kind):
        position = positions.get(row["sample_id"])
        if position is None:
            raise DataError(f"{path}: has a sample that samples.parquet lacks", hint=ANEW)
        if row["key"] is None:
            captures.add_unmade(spec, position, row["status"], row["reason"])
        else:
            draw = None if row["draw"] is None or row["draw"] < 0 else row["draw"]
            found = {name: row[name] for name in names}
            if spec.kind == HIDDEN_STATES:
                own = states.of(row)
                found |= {"states": own, "dim": own.shape[-1], "dtype": str(own.dtype)}
            captures.add(spec, position, found, draw)


def _rows(path: Path, names: list[str], kind: str) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            found = (schema.metadata or {}).get(b"llmood.schema_version")
            if found != CAPTURE_SCHEMAS[kind].metadata[b"llmood.schema_version"]:
                raise DataError(f"{path}: is of another schema version, or of none", hint=ANEW)
            missing = [name for name in names if name not in schema.names]
            if missing:
                raise DataError(f"{path}: has no column '{missing[0]}'", hint=ANEW)
            for batch in file.iter_batches(batch_size=1024, columns=names):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: can't be read as Parquet: {reason}", hint=ANEW) from None
