"""Runs of a few made-up prompts with the fake engine, for the report's tests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from llmood.run import evaluate
from tests.task_files import texts, write_task
from tests.worlds import no_report

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
ID_TEXTS = tuple(f"bank card payment number {n}" for n in range(12))
OOD_TEXTS = tuple(f"zebra quartz {n} wilderness" for n in range(10))


def tiny_run(
    folder: Path,
    ood: Mapping[str, Sequence[str]] | None = None,
    *,
    id_texts: Sequence[str] = ID_TEXTS,
    shifts: Mapping[str, str] | None = None,
    severity: int | None = None,
    **config: Any,
) -> Path:
    """The folder of a finished run: ID task `home`, and an OOD task for each name in `ood`."""
    tasks = folder / "tasks"
    ood = {"away": OOD_TEXTS} if ood is None else ood
    for name, prompts in {"home": id_texts, **ood}.items():
        (tasks / name).mkdir(parents=True)
        spec = write_task(
            tasks / name, {"test": texts(*prompts)}, name=name, known_flaws=[HOSTILE], citation=HOSTILE
        )
        spec.file.rename(spec.file.with_name(f"{name}.yaml"))
    shifted = [
        {"task": name, "shift": (shifts or {}).get(name, "near"), "severity": severity, "note": HOSTILE}
        for name in ood
    ]
    settings = {
        "benchmark": {"name": "tiny", "description": HOSTILE, "id": "home", "ood": shifted},
        "models": {"base": "fake", "tuned": "fake:bank card payment"},
        "engine": {"kind": "fake"},
        "scorers": ["likelihood_ratio", "likelihood.mean"],
        "bootstrap": {"draws": 100},
        **config,
    }
    with pytest.MonkeyPatch.context() as patch:
        no_report(patch)  # tests render what they look at
        return evaluate(settings, output_dir=folder / "run", include=[tasks]).folder


def edit_json(path: Path, change: Callable[[Any], Any]) -> None:
    """Rewrite a run's JSON file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(change(value) or value), encoding="utf-8")


def records(run: Path) -> list[dict[str, Any]]:
    return list(json.loads((run / "metrics.json").read_text(encoding="utf-8")))


def copy_of(run: Path, folder: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(run, folder / "copied"))
