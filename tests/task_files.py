"""Small tasks on disk, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from llmood.tasks import TaskSpec

Rows = Sequence[Mapping[str, Any] | str | bytes]


def texts(*words: str) -> list[dict[str, Any]]:
    """Rows of one column."""
    return [{"text": word} for word in words]


def write_jsonl(path: Path, rows: Rows) -> Path:
    """One line a row; text and bytes are written as they are."""
    lines = [
        row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
        for row in rows
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def write_task(folder: Path, splits: Mapping[str, Rows] | None = None, **keys: Any) -> TaskSpec:
    """A task `t` with a JSONL file a split beside its YAML; `keys` are put on top of a plain one's."""
    splits = splits or {}
    for split, rows in splits.items():
        write_jsonl(folder / f"{split}.jsonl", rows)
    plain = {
        "name": "t",
        "sources": [{"files": "{split}.jsonl", "splits": {split: split for split in splits}}],
        "prompt": "{{ text }}",
    }
    data = {key: value for key, value in {**plain, **keys}.items() if value is not None}
    path = folder / "t.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return TaskSpec.from_file(path)
