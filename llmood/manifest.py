"""`run.json`: what a run was asked for, what made it, how far it got; and the records that stand beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from llmood.errors import ConfigError

VERSION = 1
DAMAGED = "remove the run folder and 'llmood run' it again: its observations are kept"
TASK = frozenset("name population shift severity evaluated rejects checks".split())


def read_manifest(folder: Path) -> dict[str, Any]:
    """A run folder's `run.json`.

    Raises:
        ConfigError: the folder is no run, or one that this version doesn't read.
    """
    path = folder / "run.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"{folder}: is no run folder (it holds no run.json)") from None
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply", hint=DAMAGED) from None
    if not isinstance(value, dict) or not {"schema_version", "config"} <= value.keys():
        raise ConfigError(f"{path}: was not written by llmood")
    if value["schema_version"] != VERSION:
        raise ConfigError(f"{path}: schema version {value['schema_version']}, this llmood reads {VERSION}")
    if not isinstance(value.get("status"), str):
        raise ConfigError(f"{path}: is damaged: it lacks status", hint=DAMAGED)
    return value


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
        # Strictly, and halves of characters as '?': pydantic knows no such text, the files may.
        strict = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
        records = TypeAdapter(list[kind]).validate_json(strict, strict=True)  # type: ignore[valid-type]
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: is damaged: {place or 'it'}: {first['msg']}", hint=DAMAGED) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON: {error}", hint=DAMAGED) from None
    return [asdict(record) | given for record, given in zip(records, found, strict=True)]
