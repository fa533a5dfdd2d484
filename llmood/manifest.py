"""`run.json`: what a run was asked for, what made it, how far it got; and the records that stand beside it."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from llmood.errors import ConfigError, StoreError
from llmood.manifest_kinds import CanaryKinds, ManifestKinds
from llmood.records import EVALUATED

VERSION = 1
RUN, SHARD = "run.json", "shard.json"  # of a run, of one shard of a run
SHARDS = "shards"  # where a run's shards lie, below its folder
DAMAGED = "remove the run folder and 'llmood run' it again: its observations are kept"
TASK = frozenset(
    "name population shift severity evaluated rejects checks samples carved source version licence "
    "citation".split()
)


def read_manifest(folder: Path, name: str = RUN) -> dict[str, Any]:
    """A run folder's `run.json`, or a shard's `shard.json`.

    Raises:
        ConfigError: the folder is no run, or no shard.
        StoreError: it is damaged, or of a version that this one doesn't read.
    """
    path = folder / name
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise _no_manifest(folder, name) from None
    except ValueError as error:
        raise StoreError(f"{path}: is not JSON: {error}", hint=_remedy(path)) from None
    except RecursionError:
        raise StoreError(f"{path}: is nested too deeply", hint=_remedy(path)) from None
    if not isinstance(value, dict) or not {"schema_version", "config"} <= value.keys():
        raise ConfigError(f"{path}: was not written by llmood")
    if value["schema_version"] != VERSION:
        raise StoreError(f"{path}: schema version {value['schema_version']}, this llmood reads {VERSION}")
    for key in ("status", *(["shard"] if name == SHARD else [])):
        if value.get(key) is None:
            raise StoreError(f"{path}: is damaged: it lacks {key}", hint=_remedy(path))
    _check(path, ManifestKinds, value)
    return value


def read_canary(path: Path) -> dict[str, Any] | None:
    """What an examination found (`engines.canary`), as it is kept beside the store; None where no whole one is."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        CanaryKinds.model_validate(value)
    except (OSError, ValueError, RecursionError):
        return None
    return dict(value)


def _remedy(path: Path) -> str:
    if not (path.parent / SHARD).is_file():
        return DAMAGED
    # The run's folder holds all its shards: to remove it for one would be to lose the others.
    return f"remove {path.parent} and run that shard again: what the store holds of it is kept"


def _no_manifest(folder: Path, name: str) -> ConfigError:
    if name == RUN and (folder / SHARD).is_file():
        return ConfigError(
            f"{folder}: is one shard of a run", hint="'llmood merge' makes a run of all its shards"
        )
    if name == RUN and (folder / SHARDS).is_dir():
        hint = f"'llmood merge {shlex.quote(str(folder))}' makes a run of them"
        return ConfigError(f"{folder}: holds the shards of a run, not merged yet", hint=hint)
    return ConfigError(f"{folder}: is no run folder (it holds no {name})")


def check_planned(folder: Path, manifest: Mapping[str, Any], name: str = RUN) -> None:
    """Make sure that a `run.json` or `shard.json` says what was planned, as it does once the tasks are read.

    Raises:
        StoreError: it lacks some of that.
    """
    missing = _missing(manifest)
    if missing:
        path = folder / name
        raise StoreError(f"{path}: is damaged: it lacks {missing}", hint=_remedy(path))


def _missing(manifest: Mapping[str, Any]) -> str | None:
    kinds = {"benchmark": dict, "models": dict, "tasks": list, "captures": list}
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            return key
    if "name" not in manifest["benchmark"]:
        return "benchmark.name"
    for position, task in enumerate(manifest["tasks"] or [None]):
        lacking = sorted(TASK - task.keys()) if isinstance(task, dict) else [""]
        if lacking:
            return f"tasks[{position}].{lacking[0]}".rstrip(".")
    return None


def check_samples(folder: Path, manifest: Mapping[str, Any], samples: pa.Table, name: str = RUN) -> None:
    """Make sure that `samples.parquet` holds the samples that a planned `run.json` or `shard.json` counts.

    Raises:
        StoreError: it lacks some, or holds more.
    """
    measured = samples.filter(pc.equal(samples["split"], EVALUATED))
    held = Counter(measured["task"].to_pylist())
    for task in manifest["tasks"]:
        if held[task["name"]] != task["evaluated"]:
            raise StoreError(
                f"{folder / 'samples.parquet'}: is damaged: it holds {held[task['name']]} samples of "
                f"{task['name']}, and {name} counts {task['evaluated']}",
                hint=_remedy(folder / name),
            )


def read_records(path: Path, kind: type[Any]) -> list[dict[str, Any]]:
    """The records of `metrics.json`, `checks.json` or `rejects.jsonl`; a key that one lacks has its default.

    Args:
        kind: the dataclass that they were written from.

    Raises:
        StoreError: the file can't be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = (
            [json.loads(line) for line in text.split("\n") if line]
            if path.suffix == ".jsonl"
            else json.loads(text)
        )
        records = _check(path, list[kind], found)  # type: ignore[valid-type]
    except OSError as error:
        raise StoreError(f"{path}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is not JSON: {error}", hint=_remedy(path)) from None
    # No deep copy: what was given is given back as it is, and only what lacks comes from the record.
    keys = [each.name for each in fields(kind)]
    return [
        {key: getattr(record, key) for key in keys} | given
        for record, given in zip(records, found, strict=True)
    ]


def read_checked(path: Path, kind: Any) -> Any:
    """The value of a JSON file of a run, of this kind.

    Raises:
        StoreError: the file can't be read, or holds something else.
    """
    try:
        return _check(path, kind, json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StoreError(f"{path}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is not JSON: {error}", hint=_remedy(path)) from None


def _check(path: Path, kind: Any, found: Any) -> Any:
    """Values as the kind that they are said to be; anything else is damage."""
    # Strictly, and halves of characters as '?': pydantic knows no such text, the files may.
    strict = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
    try:
        return TypeAdapter(kind).validate_json(strict, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StoreError(f"{path}: is damaged: {place or 'it'}: {first['msg']}", hint=_remedy(path)) from None
