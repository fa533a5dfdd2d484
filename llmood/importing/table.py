"""A run made of rows: prompts, answers and numbers that were logged elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmood.config import RunConfig
from llmood.engines.store import Store
from llmood.errors import DataError
from llmood.identity import FileDigests, digest
from llmood.importing.captures import ENGINE, Captures, identity_of
from llmood.importing.choose import check_scorers, default_scorers, no_scorer
from llmood.importing.files import names_of, stem_of
from llmood.importing.imported import Imported
from llmood.importing.placing import Placing, Rows, Task
from llmood.importing.traffic import Traffic
from llmood.progress import Progress
from llmood.records import Check, Shift
from llmood.scorers.baselines import BASELINES
from llmood.strict import parse
from llmood.yaml_files import apply_overrides

FORMAT = 1  # rises when the same file would be read differently


def digest_of(files: Sequence[Path], settings: Mapping[str, Any]) -> str:
    """What tells one import from another: the files' content, and how they are read."""
    digests = FileDigests()
    return digest([FORMAT, [digests.of(path) for path in files], dict(settings)])


def read_files(
    files: Sequence[tuple[Path, Rows]],
    store: Store,
    content: str,
    *,
    shift: Shift | None,
    named: dict[str, str],
    keep: bool,
    text: bool,
    scorers: Sequence[str],
    overrides: Sequence[str],
    progress: Progress,
) -> Imported:
    """Read files into samples and captures.

    Args:
        content: `digest_of` them.

    Raises:
        ConfigError: a column is named wrongly, populations are not clear, or a scorer lacks what it needs.
        DataError: a file can't be read, or holds no usable row.
    """
    captures = Captures(store, content, private=not text)
    traffic = Traffic(captures, Placing(shift), named, keep=keep, progress=progress)
    names = names_of([path for path, _ in files])
    for (path, rows), name in zip(files, names, strict=True):
        traffic.read(path, name, rows)
    tasks = traffic.tasks()
    samples, ids = traffic.samples(tasks)
    index = captures.index(ids)
    roles = _roles(captures)
    stem = stem_of(files[0][0])
    benchmark, specs = _benchmark(stem, tasks), [spec.id for spec in captures.specs]
    digests = FileDigests()
    sources = {name: digests.of(path) for (path, _), name in zip(files, names, strict=True)}
    made = list(scorers) or default_scorers(specs, roles, tasks[0].rows, text=text, absent=captures.absent)
    settings = {
        "benchmark": benchmark,
        "models": _models(roles, content),
        "engine": {"kind": ENGINE},
        "text": text,
        "scorers": made,
    }
    config = parse(RunConfig, apply_overrides(settings, overrides), place="import")
    none_made = not scorers and all(name in BASELINES for name in (*made, *config.scorers))
    said = [no_scorer(tasks[0].name, specs, text=text)] if none_made else []
    described = {
        "benchmark": benchmark,
        "tasks": [
            _describe(task, traffic, sources, content, said if task is tasks[0] else []) for task in tasks
        ],
        "models": {role: _described_model(role, list(sources), content) for role in roles},
        "captures": specs,
        "imported": {
            "digest": content,
            "files": sources,
            "columns": traffic.columns,
            "left_out": traffic.left,
        },
    }
    chosen = check_scorers(config, specs, " and ".join(sources))
    answers = {ids[position]: text for position, text in captures.answers.items()} if not text else None
    return Imported(config, stem, samples, index, traffic.rejects, described, chosen, answers)


def _roles(captures: Captures) -> list[str]:
    found = {spec.model for spec in captures.specs}
    adapters = sorted((role for role in found if ":" in role), key=lambda role: int(role.partition(":")[2]))
    if adapters and adapters != [f"tuned:{place}" for place in range(1, len(adapters) + 1)]:
        raise DataError(f"the models {', '.join(adapters)} are not numbered from tuned:1 on without a gap")
    # A run has a model whose numbers they are, also where nothing of it was logged but what it was asked.
    return [*(["base"] if "base" in found else []), "tuned", *adapters]


def _models(roles: Sequence[str], content: str) -> dict[str, Any]:
    name = f"{ENGINE}:{content[:8]}"
    tuned = [role for role in roles if role != "base"]
    found: dict[str, Any] = {"base": name} if "base" in roles else {}
    several = [{"adapter": f"{name}:{place}"} for place in range(len(tuned))]
    return found | {"tuned": name if len(tuned) == 1 else several}


def _described_model(role: str, files: list[str], content: str) -> dict[str, Any]:
    return {"name": ENGINE, "files": files, "identity": identity_of(content, role), "tokenizer": None}


def _benchmark(name: str, tasks: Sequence[Task]) -> dict[str, Any]:
    ood = [
        {"task": task.name, "shift": task.shift, "severity": task.severity, "family": task.family}
        for task in tasks[1:]
    ]
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).lstrip("_.-") or ENGINE
    return {"name": slug, "description": "", "id": tasks[0].name, "ood": ood}


def _describe(
    task: Task, traffic: Traffic, sources: Mapping[str, str], content: str, said: Sequence[Check]
) -> dict[str, Any]:
    return {
        "name": task.name,
        "version": None,
        "description": "",
        "homepage": None,
        "population": task.population,
        "shift": task.shift,
        "severity": task.severity,
        "family": task.family,
        "fitted": [],
        "note": None,
        "samples": {split: len(rows) for split, rows in task.rows.items()},
        "calibrated": len(task.rows.get("calibration", ())),
        "evaluated": len(task.rows["test"]),
        "rejects": task.rejects,
        "carved": {},
        "source": {"files": {name: sources[name] for name in task.files}, "read_as": content},
        "licence": None,
        "citation": None,
        "known_flaws": [],
        "checks": [asdict(check) for check in (*said, *_said(task, traffic), *traffic.checks(task))],
    }


def _said(task: Task, traffic: Traffic) -> list[Check]:
    if task.population != "id":
        return []
    detail = (
        f"The numbers behind {task.name} were logged elsewhere: llmood can't know whether base and tuned model "
        "read the same tokens, nor in which precision."
    )
    found = [Check("imported", "info", "Imported", detail, task.name)]
    left = {name: columns for name, columns in traffic.left.items() if columns}
    if left:
        shown = "; ".join(f"{name}: {', '.join(columns[:12])}" for name, columns in left.items())
        detail = f"Columns that nothing reads were left out ({shown})."
        found.append(Check("columns_left_out", "info", "Columns left out", detail, task.name))
    return found
