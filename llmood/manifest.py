"""`run.json`: what a run was asked for, what made it, how far it got."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llmood.errors import ConfigError

VERSION = 1


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
    if not isinstance(value, dict) or not {"schema_version", "config"} <= value.keys():
        raise ConfigError(f"{path}: was not written by llmood")
    if value["schema_version"] != VERSION:
        raise ConfigError(f"{path}: schema version {value['schema_version']}, this llmood reads {VERSION}")
    return value
