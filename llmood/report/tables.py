"""The report's tables: scorers down, OOD sets across, one metric a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from llmood.displays.auroc_intervals import side_of_chance
from llmood.metrics import metrics_registry
from llmood.metrics.base import LAST
from llmood.questions.adapters import OVER_ADAPTERS
from llmood.questions.calibration import QUESTION as CALIBRATION
from llmood.questions.concepts import QUESTION as CONCEPTS
from llmood.questions.effective_information import QUESTION as EFFECTIVE
from llmood.questions.errors import QUESTION as ERRORS
from llmood.questions.familiarity import QUESTION as FAMILIARITY
from llmood.questions.modality import QUESTION as MODALITY
from llmood.questions.ood_detection import BEHIND_BEST, HEADLINE, QUESTION
from llmood.questions.population_shift import QUESTION as POPULATION
from llmood.questions.promise import QUESTION as PROMISE
from llmood.questions.rater_disagreement import QUESTION as RATERS
from llmood.report.cells import Cell, record_cell
from llmood.report.read import Record, RunFiles
from llmood.report.text import count, number, percent, shown
from llmood.scorers.baselines import BASELINES

STRONG_CORRELATION = 0.5
REASONS_SHOWN = 3
GROUPS = {"none": "In-distribution", "near": "Near OOD", "far": "Far OOD", "covariate": "Covariate shift"}


@dataclass(frozen=True)
class Column:
    """One population of a table's head."""

    task: str
    shift: str
    severity: int | None
    samples: int
    checks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Row:
    """One scorer's cells, one a column; how many samples have no score, and why."""

    scorer: str
    cells: tuple[Cell | None, ...]
    missing: str = ""
    whys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table: `groups` are the shifts over the columns, with how many columns each spans."""

    metric: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]
    baselines: tuple[Row, ...]
    foot: tuple[tuple[str, tuple[str, ...]], ...] = ()


def headline_table(run: RunFiles) -> Table:
    """AUROC, with the best and what ties with it marked, baselines apart, and what this n could show."""
    table = metric_table(run, "auroc")
    detectable = tuple(_detectable(run, column.task) for column in table.columns)
    foot = (("Smallest difference to the best that this n shows (80\u00a0% power)", detectable),)
    return Table(**{**vars(table), "foot": foot if len(run.scorers) > 1 else ()})


def metric_table(run: RunFiles, metric: str, columns: tuple[Column, ...] | None = None) -> Table:
    """One metric of OOD detection, on the OOD sets that are no grades or on those of `columns`."""
    columns = ood_columns(run) if columns is None else columns
    return Table(
        metric,
        columns,
        groups_of(columns),
        tuple(_row(run, metric, name, columns) for name in run.scorers),
        tuple(_row(run, metric, name, columns) for name in run.scores if name in BASELINES),
        _prevalence(run, metric, columns),
    )


def length_table(run: RunFiles) -> Table:
    """Spearman(score, length) within ID and each OOD set; length alone as a scorer at its foot."""
    id_task = run.id_task
    own = (column_of(run, id_task),) if id_task else ()
    columns = (*own, *ood_columns(run))
    rows = tuple(_row(run, "spearman_length", name, columns) for name in run.scorers)
    alone = tuple(_alone(run.find("auroc", "length", column.task)) for column in columns)
    return Table(
        "spearman_length", columns, groups_of(columns), rows, (), (("AUROC of length alone", alone),)
    )


def ood_columns(run: RunFiles) -> tuple[Column, ...]:
    """A column an OOD set: near, far, covariate. The grades of a family stand in tables of their own."""
    return tuple(column_of(run, task) for task in run.single_ood_tasks)


def detection_metrics(run: RunFiles) -> list[str]:
    """The metrics of OOD detection beside the headline, in an order that keeps pairs together."""
    found = dict.fromkeys(
        str(record["metric"])
        for record in run.records
        if record["question"] == QUESTION and record["slice"] is None
    )
    shown_elsewhere = (HEADLINE, BEHIND_BEST)
    return sorted((metric for metric in found if metric not in shown_elsewhere), key=_place)


def _place(metric: str) -> int:
    # A run of a newer llmood may have metrics that this one doesn't know.
    return metrics_registry.get(metric).order if metric in metrics_registry else LAST


def other_records(run: RunFiles) -> list[Record]:
    """What no table of the page shows: other questions, and slices."""
    shown_questions = ("ood_detection", "length_confound", "severity")
    own_sections = (
        ERRORS,
        FAMILIARITY,
        CONCEPTS,
        CALIBRATION,
        PROMISE,
        POPULATION,
        EFFECTIVE,
        RATERS,
        MODALITY,
    )
    return [
        r
        for r in run.records
        if r["question"] not in own_sections
        and (r["question"] not in shown_questions or r["slice"] not in (None, OVER_ADAPTERS))
    ]


def checks_about(run: RunFiles, task: str) -> tuple[int, ...]:
    """The numbers, from 1, of the checks that are about one task."""
    return tuple(number for number, check in enumerate(run.checks, start=1) if task in check["tasks"])


def column_of(run: RunFiles, task: Record) -> Column:
    """The column of one population."""
    about = checks_about(run, task["name"])
    return Column(task["name"], task["shift"], task["severity"], task["evaluated"], about)


def groups_of(columns: Sequence[Column]) -> tuple[tuple[str, int], ...]:
    """The shifts over a table's columns, with how many columns each spans."""
    return tuple(
        (GROUPS.get(shift, shift), len(list(members)))
        for shift, members in groupby(columns, key=lambda column: column.shift)
    )


def _row(run: RunFiles, metric: str, scorer: str, columns: Sequence[Column]) -> Row:
    cells = tuple(cell_of(run, metric, scorer, column) for column in columns)
    asked = count(len(run.scores[scorer]))
    states = run.unscored.get(scorer, {})
    missing = ", ".join(f"{count(n)} of {asked} {status}" for status, n in states.items())
    return Row(scorer, cells, missing, _why(run.reasons.get(scorer, {})))


def _why(reasons: Mapping[str, int]) -> tuple[str, ...]:
    """The most frequent reasons, and how many samples have others."""
    shown = tuple(f"{count(n)}: {reason}" for reason, n in list(reasons.items())[:REASONS_SHOWN])
    rest = sum(list(reasons.values())[REASONS_SHOWN:])
    return (*shown, f"{count(rest)} for other reasons (scores.parquet)") if rest else shown


def cell_of(run: RunFiles, metric: str, scorer: str, column: Column) -> Cell | None:
    """One metric of one scorer on one population; None where there is no record of it."""
    record = run.find(metric, scorer, None if column.shift == "none" else column.task)
    return record_cell(
        record,
        partial(shown, metric),
        mark=lambda found: _mark(found, run.find("auroc_behind_best", scorer, column.task)),
    )


def _mark(record: Record, behind: Record | None) -> str:
    metric, value = record["metric"], record["value"]
    if metric == "spearman_length":
        return "strong" if abs(value) >= STRONG_CORRELATION else ""
    if metric != "auroc":
        return ""
    side = side_of_chance(record)
    if side == "below":
        return "backwards"
    if side == "chance":
        # Of a baseline nothing else is expected.
        return "" if record["scorer"] in BASELINES else "chance"
    params: Mapping[str, Any] = behind["params"] if behind else {}
    if params.get("best") == record["scorer"]:
        return "best"
    return "tie" if params.get("ties_with_best") else ""


def _prevalence(
    run: RunFiles, metric: str, columns: Sequence[Column]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for column in columns:
        records = (run.find(metric, name, column.task) for name in run.scores)
        params: Mapping[str, Any] = next((record["params"] for record in records if record), {})
        found.append(params.get("prevalence"))
    if all(value is None for value in found):
        return ()
    shown_values = tuple("–" if value is None else f"{percent(value)}\u00a0%" for value in found)
    return (("Share of OOD in these samples", shown_values),)


def _detectable(run: RunFiles, ood_task: str) -> str:
    records = (run.find("auroc_behind_best", name, ood_task) for name in run.scorers)
    values = [record["params"].get("smallest_detectable") for record in records if record]
    known = sorted(value for value in values if value is not None)
    if not known:
        return "–"
    low, high = number(known[0]), number(known[-1])
    return low if low == high else f"{low}–{high}"


def _alone(record: Record | None) -> str:
    if record is None:
        return ""
    return f"undefined: {record['reason']}" if record["value"] is None else number(record["value"])
