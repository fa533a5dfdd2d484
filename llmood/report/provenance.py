"""Every identity and version behind a run's numbers, as rows of (name, value)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from llmood.records import BACKGROUND
from llmood.report.read import Record, RunFiles
from llmood.report.text import as_yaml, count

Rows = list[tuple[str, str]]


def run_rows(run: RunFiles) -> Rows:
    """Command, time, machine, packages, seed, draws."""
    manifest, config = run.manifest, run.config
    bootstrap = config.get("bootstrap") or {}
    command = manifest.get("command")
    rows = [
        ("Status", manifest.get("status")),
        ("Command", shlex.join(command) if command else "not recorded: started from Python"),
        ("Started", manifest.get("started")),
        ("Seed", config.get("seed")),
        ("Bootstrap draws", bootstrap.get("draws")),
        ("Interval level", bootstrap.get("level")),
        ("Captures", ", ".join(manifest.get("captures") or [])),
    ]
    rows += [(f"Hardware: {name}", value) for name, value in flatten(manifest.get("hardware") or {})]
    rows += [(f"Version: {name}", value) for name, value in flatten(manifest.get("versions") or {})]
    shards = manifest.get("shards") or []
    rows += [(f"Shard {shard.get('index')}/{len(shards)}", _shard(shard)) for shard in shards]
    return [(name, _text(value)) for name, value in rows]


def model_rows(model: Record) -> Rows:
    """One model role."""
    return flatten(model)


def task_rows(task: Record) -> Rows:
    """One task: where its rows came from and what became of them. Its flaws are shown apart."""
    samples = ", ".join(f"{split} {count(n)}" for split, n in (task["samples"] or {}).items())
    carved = ", ".join(f"{split} from {origin}" for split, origin in (task["carved"] or {}).items())
    behind = task["population"] == BACKGROUND
    rows: Rows = [
        ("Task version", _text(task["version"])),
        ("Read", samples or "nothing"),
        ("Evaluated", "none of a background" if behind else f"{count(task['evaluated'])} samples of test"),
        ("Carved splits", carved or "none"),
        ("Rejected rows", count(task["rejects"])),
        ("Licence", _text(task["licence"])),
        ("Citation", _text(task["citation"])),
    ]
    rows += [(f"Source: {name}", value) for name, value in flatten(task["source"] or {})]
    return rows


def config_yaml(run: RunFiles) -> str:
    """The resolved configuration."""
    return as_yaml(dict(run.config))


def flatten(value: Any, path: str = "") -> Rows:
    """Nested mappings and lists as dotted names with their leaves; empty ones are said, not skipped.

    >>> flatten({"a": {"b": 1, "c": None}, "d": []})
    [('a.b', '1'), ('a.c', '–'), ('d', 'none')]
    """
    if isinstance(value, Mapping) and value:
        return [
            row
            for key, inner in value.items()
            for row in flatten(inner, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        if any(isinstance(item, Mapping) for item in value):
            return [row for place, item in enumerate(value) for row in flatten(item, f"{path}[{place}]")]
        return [(path, ", ".join(_text(item) for item in value))]
    return [(path, "none" if value in ({}, [], ()) else _text(value))]


def _shard(shard: Record) -> str:
    hardware = shard.get("hardware") or {}
    machine = ", ".join(map(str, hardware.get("accelerators") or [hardware.get("system")]))
    return f"{shard.get('samples')} samples on {machine}, started {shard.get('started')}"


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return count(value) if isinstance(value, int) and abs(value) >= 10_000 else str(value)
