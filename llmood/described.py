"""What `run.json` says of a task and of a model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from llmood.engines.base import Engine
from llmood.records import BACKGROUND
from llmood.tokenise import PlannedTask


def described_task(task: PlannedTask) -> dict[str, Any]:
    """A task with its counts, sources and checks."""
    spec = task.loaded.spec
    return {
        "name": task.name,
        "version": spec.version,
        "description": spec.description,
        "homepage": spec.homepage,
        "correctness": spec.correctness,
        "population": task.population,
        "shift": task.shift,
        "severity": task.severity,
        "family": task.family,
        "corruptions": None if task.corruptions is None else asdict(task.corruptions),
        "fitted": list(task.fitted),
        "note": task.note,
        "samples": {split: len(samples) for split, samples in task.loaded.samples.items()},
        "calibrated": len(task.calibration),
        "evaluated": 0 if task.population == BACKGROUND else len(task.samples),
        "rejects": len(task.loaded.rejects),
        "carved": task.loaded.carved,
        "source": task.loaded.source,
        "licence": spec.licence,
        "citation": spec.citation,
        "known_flaws": list(spec.known_flaws),
        "checks": [asdict(check) for check in task.loaded.checks],
    }


def described_model(engine: Engine, role: str) -> dict[str, Any]:
    """A model with its identity, and that of its tokenizer."""
    return {
        **engine.describe(role),
        "identity": engine.identity(role),
        "tokenizer": engine.tokenizer(role).identity,
    }
