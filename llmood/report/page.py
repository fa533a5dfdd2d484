"""The page: every part of the report put into its templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from llmood.clean import clean
from llmood.metrics import metrics_registry
from llmood.questions.ood_detection import QUESTION as DETECTION
from llmood.report import text
from llmood.report.adapters import adapter_count, adapters_table
from llmood.report.calibration import calibration_part
from llmood.report.concepts import concepts_part
from llmood.report.effective import effective_part
from llmood.report.errors import errors_part
from llmood.report.examples import Example, confident_errors, false_alarms, misses
from llmood.report.familiarity import familiarity_part
from llmood.report.figures import Picture, figures_of, overview
from llmood.report.modality import modality_part
from llmood.report.population import population_part
from llmood.report.provenance import config_yaml, model_rows, run_rows, task_rows
from llmood.report.raters import raters_part
from llmood.report.read import RunFiles, read_run
from llmood.report.severity import severity_part
from llmood.report.summary import findings, status_lines
from llmood.report.tables import (
    Table,
    detection_metrics,
    headline_table,
    length_table,
    metric_table,
    ood_columns,
    other_records,
)
from llmood.sameness import read_tasks


@dataclass(frozen=True)
class Metric:
    """One metric's table, with what it is."""

    id: str
    name: str
    description: str
    better: str
    table: Table


@dataclass(frozen=True)
class CheckGroup:
    """The checks of one kind: their number, from 1, and what each says."""

    severity: str
    code: str
    title: str
    checks: list[tuple[int, str]]


@dataclass(frozen=True)
class Mistakes:
    """The samples of one population that the first scorer gets most wrong."""

    task: str
    shift: str
    examples: list[Example]


def render_page(folders: Sequence[Path], status: str | None = None) -> str:
    """The report of one run folder, or of several on one page.

    The same folders, and the same pictures where they name some, give the same bytes.
    """
    runs = [read_run(folder, status) for folder in folders]
    sections = [_section(run, position) for position, run in enumerate(runs, start=1)]
    page = environment().get_template("page.html.j2")
    names = ", ".join(dict.fromkeys(_name(run) for run in runs))
    return page.render(title=f"{names} · OOD report", sections=sections, compared=_compared(runs)) + "\n"


@cache
def environment() -> Environment:
    """The templates, with everything that enters a page cleaned and escaped."""
    found = Environment(
        loader=PackageLoader("llmood.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    found.filters["count"] = text.count
    return found


def _finalize(value: Any) -> Any:
    # Every text that enters the page passes here: what no file can hold is replaced, then autoescape escapes.
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _section(run: RunFiles, number: int) -> dict[str, Any]:
    prefix = f"r{number}"
    manifest = run.manifest
    benchmark = manifest.get("benchmark") or {}
    return {
        "number": number,
        "prefix": prefix,
        "name": _name(run),
        "folder": run.folder.name,
        "description": benchmark.get("description") or "",
        "status": manifest["status"],
        "status_lines": status_lines(run),
        "id_task": run.id_task,
        "ood_tasks": [task for task in run.ood_tasks if task.get("family") not in run.crossed],
        "crossed": {name: len(tasks) for name, tasks in run.crossed.items()},
        "models": manifest.get("models") or {},
        "scorers": run.scorers,
        "findings": findings(run),
        "checks": _checks(run),
        "headline": headline_table(run) if run.records else None,
        "overview": overview(run, prefix),
        "adapters": adapters_table(run),
        "adapter_count": adapter_count(run),
        "severity": severity_part(run, prefix),
        "familiarity": familiarity_part(run, prefix),
        "population": population_part(run),
        "effective": effective_part(run, prefix),
        "raters": raters_part(run, prefix),
        "modality": modality_part(run, prefix),
        "concepts": concepts_part(run, prefix),
        "errors": errors_part(run, prefix),
        "confident_errors": confident_errors(run),
        "calibration": calibration_part(run, prefix),
        "metrics": _metrics(run),
        "figures": _figures(run, prefix),
        "length": length_table(run) if run.records else None,
        "mistakes": _mistakes(run),
        "others": [_other(record) for record in other_records(run)],
        "run_rows": run_rows(run),
        "model_rows": {role: model_rows(model) for role, model in (manifest.get("models") or {}).items()},
        "tasks": [(task, task_rows(task)) for task in read_tasks(run.manifest)],
        "config": config_yaml(run),
        "level": (run.config.get("bootstrap") or {}).get("level", 0.95),
        "draws": (run.config.get("bootstrap") or {}).get("draws"),
    }


def _name(run: RunFiles) -> str:
    return str(run.manifest.get("name") or run.folder.name)


def _checks(run: RunFiles) -> list[CheckGroup]:
    def kind(numbered: tuple[int, Any]) -> tuple[str, str, str]:
        return numbered[1]["severity"], numbered[1]["code"], numbered[1]["title"]

    groups = groupby(enumerate(run.checks, start=1), key=kind)
    return [
        CheckGroup(*key, [(number, check["detail"]) for number, check in members]) for key, members in groups
    ]


def _metrics(run: RunFiles) -> list[Metric]:
    known = {metric.id: metric for _, metric in metrics_registry}
    found = []
    for name in detection_metrics(run):
        record = next(r for r in run.records if r["question"] == DETECTION and r["metric"] == name)
        better = {True: "higher is better", False: "lower is better"}.get(record["higher_is_better"], "")
        description = known[name].description if name in known else ""
        found.append(Metric(name, text.metric_name(name), description, better, metric_table(run, name)))
    return found


def _figures(run: RunFiles, prefix: str) -> list[tuple[Any, list[Picture]]]:
    columns = ood_columns(run)
    found = [
        (column, figures_of(run, column.task, f"{prefix}-f{position}"))
        for position, column in enumerate(columns)
    ]
    return [(column, pictures) for column, pictures in found if pictures]


def _mistakes(run: RunFiles) -> dict[str, Any]:
    if not run.scorers or run.id_task is None:
        return {}
    first = run.scorers[0]
    return {
        "scorer": first,
        "false_alarms": false_alarms(run, first),
        "misses": [
            Mistakes(task["name"], task["shift"], misses(run, first, task["name"]))
            for task in run.single_ood_tasks
        ],
    }


def _other(record: Any) -> dict[str, Any]:
    value = None if record["value"] is None else text.shown(record["metric"], record["value"])
    return {
        **record,
        "shown": value,
        "interval": text.interval(record),
        "name": text.metric_name(record["metric"]),
    }


def _compared(runs: Sequence[RunFiles]) -> dict[str, Any] | None:
    """Several runs side by side: the first scorer of each on every OOD set that any of them has."""
    if len(runs) < 2:
        return None
    tasks = list(dict.fromkeys(column.task for run in runs for column in ood_columns(run)))
    return {"tasks": tasks, "rows": [_compared_row(run, tasks) for run in runs]}


def _compared_row(run: RunFiles, tasks: Sequence[str]) -> dict[str, Any]:
    by_task = {finding.task: finding for finding in findings(run)}
    models = run.manifest.get("models") or {}
    model: Mapping[str, Any] = models.get("tuned") or next(iter(models.values()), {})
    return {
        "name": _name(run),
        "folder": run.folder.name,
        "status": run.manifest["status"],
        "model": model.get("name") or "",
        "scorer": run.scorers[0] if run.scorers else "",
        "warnings": sum(check["severity"] != "info" for check in run.checks),
        "cells": [by_task.get(task) for task in tasks],
    }
