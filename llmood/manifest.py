"""`run.json`: what a run was asked for, what made it, how far it got; and the records that stand beside it."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from llmood.errors import ConfigError, StoreError
from llmood.records import EVALUATED, Check, Shift

VERSION = 1
RUN, SHARD = "run.json", "shard.json"  # of a run, of one shard of a run
SHARDS = "shards"  # where a run's shards lie, below its folder
DAMAGED = "remove the run folder and 'llmood run' it again: its observations are kept"
TASK = frozenset(
    "name population shift severity evaluated rejects checks samples carved source version licence "
    "citation".split()
)
Capture = Annotated[str, Field(pattern=r"^[^/?]+/[^/?]+/[^/?]+(\?.*)?$")]


class _Kinds(BaseModel):
    """What kind of value stands under the keys that are read; those that are missing, or of another use, may be."""

    model_config = ConfigDict(strict=True)


class _Benchmark(_Kinds):
    name: str = ""
    description: str | None = None


class _Model(_Kinds):
    name: str | None = None
    identity: dict[str, Any]


class _Source(_Kinds):
    kind: str | None = None
    hub: str | None = None
    files: dict[str, Any] | None = None
    fingerprints: dict[str, Any] | None = None


class _Task(_Kinds):
    name: str = ""
    population: Literal["id", "ood"] = "id"
    shift: Shift = "none"
    severity: int | None = None
    family: str | None = None
    evaluated: int = 0
    rejects: int = 0
    samples: dict[str, int] | None = None
    carved: dict[str, str] | None = None
    source: _Source | None = None
    checks: list[Check] = []
    known_flaws: list[str] | None = None


class _Shard(_Kinds):
    index: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1)]
    samples: int
    of: int
    digest: str


class _Engine(_Kinds):
    kind: str
    why: str


class _Spread(_Kinds):
    tokens: int
    largest: FiniteFloat
    mean: FiniteFloat
    sum: FiniteFloat = 0.0
    closer_to_base: bool = False


class _Canary(_Kinds):
    samples: int
    dtype: str | None
    path: str | None
    reason: str | None
    differences: dict[str, _Spread]
    noise: dict[str, _Spread]
    answers: dict[str, dict[str, int]]


class _Manifest(_Kinds):
    status: str
    config: dict[str, Any]
    rescored: dict[str, Any] | None = None
    benchmark: _Benchmark | None = None
    models: dict[str, _Model] | None = None
    tasks: list[_Task] | None = None
    captures: list[Capture] | None = None
    engine: _Engine | None = None
    canary: _Canary | None = None
    command: list[str] | None = None
    started: str | None = None
    versions: dict[str, Any] | None = None
    hardware: dict[str, Any] | None = None
    imported: dict[str, Any] | None = None
    shard: _Shard | None = None
    shards: list[dict[str, Any]] | None = None


def read_manifest(folder: Path, name: str = RUN) -> dict[str, Any]:
    """A run folder's `run.json`, or a shard's `shard.json`.

    Raises:
        ConfigError: the folder is no run (or no shard), or one that this version doesn't read.
    """
    path = folder / name
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise _no_manifest(folder, name) from None
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON: {error}", hint=_remedy(path)) from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply", hint=_remedy(path)) from None
    if not isinstance(value, dict) or not {"schema_version", "config"} <= value.keys():
        raise ConfigError(f"{path}: was not written by llmood")
    if value["schema_version"] != VERSION:
        raise ConfigError(f"{path}: schema version {value['schema_version']}, this llmood reads {VERSION}")
    for key in ("status", *(["shard"] if name == SHARD else [])):
        if value.get(key) is None:
            raise ConfigError(f"{path}: is damaged: it lacks {key}", hint=_remedy(path))
    _check(path, _Manifest, value)
    return value


def read_canary(path: Path) -> dict[str, Any] | None:
    """What an examination found (`engines.canary`), as it is kept beside the store; None where no whole one is."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        _Canary.model_validate(value)
    except (OSError, ValueError, RecursionError):
        return None
    return dict(value)


def _remedy(path: Path) -> str:
    # The run's folder holds all its shards: to remove it for one would be to lose the others.
    own = f"remove {path.parent} and run that shard again: what the store holds of it is kept"
    return own if path.name == SHARD else DAMAGED


def _no_manifest(folder: Path, name: str) -> ConfigError:
    if name == RUN and (folder / SHARD).is_file():
        return ConfigError(
            f"{folder}: is one shard of a run", hint="'llmood merge' makes a run of all its shards"
        )
    if name == RUN and (folder / SHARDS).is_dir():
        hint = f"'llmood merge {shlex.quote(str(folder))}' makes a run of them"
        return ConfigError(f"{folder}: holds the shards of a run, not merged yet", hint=hint)
    return ConfigError(f"{folder}: is no run folder (it holds no {name})")


def check_planned(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make sure that a run's `run.json` says what was planned, as it does once the tasks are read.

    Raises:
        ConfigError: it lacks some of that.
    """
    missing = _missing(manifest)
    if missing:
        raise ConfigError(f"{folder / 'run.json'}: is damaged: it lacks {missing}", hint=DAMAGED)


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


def check_samples(folder: Path, manifest: Mapping[str, Any], samples: pa.Table) -> None:
    """Make sure that `samples.parquet` holds the samples that a planned `run.json` counts.

    Raises:
        StoreError: it lacks some, or holds more.
    """
    measured = samples.filter(pc.equal(samples["split"], EVALUATED))
    held = Counter(measured["task"].to_pylist())
    for task in manifest["tasks"]:
        if held[task["name"]] != task["evaluated"]:
            raise StoreError(
                f"{folder / 'samples.parquet'}: is damaged: it holds {held[task['name']]} samples of "
                f"{task['name']}, and run.json counts {task['evaluated']}",
                hint=DAMAGED,
            )


def read_records(path: Path, kind: type[Any]) -> list[dict[str, Any]]:
    """The records of `metrics.json`, `checks.json` or `rejects.jsonl`; a key that one lacks has its default.

    Args:
        kind: the dataclass that they were written from.

    Raises:
        ConfigError: the file can't be read, or holds something else.
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
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON: {error}", hint=DAMAGED) from None
    return [asdict(record) | given for record, given in zip(records, found, strict=True)]


def _check(path: Path, kind: Any, found: Any) -> Any:
    """Values as the kind that they are said to be; anything else is damage."""
    # Strictly, and halves of characters as '?': pydantic knows no such text, the files may.
    strict = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
    try:
        return TypeAdapter(kind).validate_json(strict, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{path}: is damaged: {place or 'it'}: {first['msg']}", hint=_remedy(path)
        ) from None
