"""What makes two runs the same: their configurations key by key, and what they were made of by content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmood.identity import canonical_json
from llmood.server_config import PACING

# What says how a model is made (its weights decide, whatever made them), and how patiently a server is asked.
BESIDE: dict[str, Any] = {"finetune": True, "engine": {"server": dict.fromkeys(PACING, True)}}
READERS = ("nli", "encoder")  # models that compare answers, beside those that give them
SHOWN = 60  # characters of a value in a message


def differing(
    made: Mapping[str, Any], asked: Mapping[str, Any], under: str = ""
) -> list[tuple[str, Any, Any]]:
    """The keys of two mappings that differ, with both values.

    >>> differing({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4})
    [('a.c', 2, 3), ('d', None, 4)]
    """
    found: list[tuple[str, Any, Any]] = []
    for key in dict.fromkeys((*asked, *made)):
        old, new = made.get(key), asked.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differing(old, new, f"{under}{key}.")
        elif old != new:
            found.append((f"{under}{key}", old, new))
    return found


def short(value: Any) -> str:
    """A value as a message quotes it."""
    text = canonical_json(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def content_of(manifest: Mapping[str, Any]) -> str:
    """What a run was made of: weights and data by digest, whatever their names."""
    models = {
        role: [model["identity"].get(key) for key in ("weights", "adapter", "model")]
        for role, model in manifest.get("models", {}).items()
    }
    for reader in READERS:
        if manifest.get(reader):
            models[reader] = [manifest[reader]["identity"]["weights"]]
    return canonical_json([models, [task["source"] for task in read_tasks(manifest)]])


def read_tasks(manifest: Mapping[str, Any]) -> list[Any]:
    """All tasks that a run read: the benchmark's, and behind them the background that a scorer learns from."""
    background = manifest.get("background")
    return [*(manifest.get("tasks") or []), *([background] if background else [])]


def deciding(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """All in a run's or a shard's `run.json` that decides its numbers, named as a person looks for it there."""
    return {
        "config": _without(manifest["config"], BESIDE),
        "versions": {"llmood": (manifest.get("versions") or {}).get("llmood")},
        "models": {
            role: {"identity": model["identity"], "tokenizer": model.get("tokenizer")}
            for role, model in manifest["models"].items()
        },
        **{reader: (manifest.get(reader) or {}).get("identity") for reader in READERS},
        "captures": manifest["captures"],
        "tasks": {
            task["name"]: {key: task[key] for key in ("source", "samples", "rejects")}
            for task in read_tasks(manifest)
        },
    }


def _without(config: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the keys that are `True` here, at any depth."""
    return {
        key: _without(value, beside[key]) if key in beside and isinstance(value, Mapping) else value
        for key, value in config.items()
        if beside.get(key) is not True
    }
