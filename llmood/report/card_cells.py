"""Rows and cells of the model card's tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmood.markdown import code, plain, table
from llmood.questions.ood_detection import HEADLINE
from llmood.report.adapters import adapter_count
from llmood.report.cells import Cell
from llmood.report.read import RunFiles
from llmood.report.shift_grids import crossed_grids, detected_table
from llmood.report.tables import Column, Row, column_of, metric_table
from llmood.report.text import count

BASELINE = " (baseline)"
MARKS = {
    "kept": "in that range",
    "missed": "**not kept**",
    "below": "fewer than promised",
    "miscalibrated": "beyond chance",
    "unlike": "unlike ID",
    "alike": "not told from ID",
}


def scorer_row(row: Row, kind: str = "", around: str = "[]") -> list[str]:
    """A scorer's row; `around` stands about what belongs to a value, its interval or its range."""
    return [f"{code(row.scorer)}{kind}", *(cell(each, around) for each in row.cells)]


def graded_sets(run: RunFiles) -> str:
    """One table for all shifts in grades: AUROC alone, by grade."""
    grades = sorted({task["severity"] for tasks in run.families.values() for task in tasks})
    rows = []
    for family, tasks in run.families.items():
        shown = metric_table(run, HEADLINE, tuple(column_of(run, task) for task in tasks))
        for row, kind in (*((row, "") for row in shown.rows), *((row, BASELINE) for row in shown.baselines)):
            by_grade = {task["severity"]: cell for task, cell in zip(tasks, row.cells, strict=True)}
            name = f"{code(family)} ({tasks[0]['shift']}), {code(row.scorer)}{kind}"
            rows.append([name, *(_alone(by_grade.get(grade)) for grade in grades)])
    words = "AUROC by grade, of each shift that comes in grades. Intervals"
    if adapter_count(run) > 1:
        words += ", and the spread over the adapters,"
    words += " are in the run's `metrics.json`."
    return (
        f"{words}\n\n{table(['Shift, scorer', *(f'Grade {grade}' for grade in grades)], rows, numbers=True)}"
    )


def crossed_sets(run: RunFiles) -> Iterator[str]:
    """A table for each grid of pictures by words: AUROC of the first scorer."""
    for name, grid in crossed_grids(run).items():
        for scorer in run.scorers[:1]:
            shown = detected_table(run, grid, scorer)
            rows = [[row, *map(_alone, cells)] for row, cells in shown.rows]
            words = f"{code(name)} with corrupted pictures (rows), words (columns), and both: AUROC of {code(scorer)}."
            yield f"{words}\n\n{table([shown.corner, *shown.columns], rows, numbers=True)}"


def _alone(shown: Cell | None) -> str:
    return cell(None if shown is None else replace(shown, interval=None))


def cell(shown: Cell | None, around: str = "[]") -> str:
    """A value with what belongs to it, its interval or its range, in brackets; or why there is none."""
    if shown is None:
        return "–"
    unscored = f", {count(shown.unscored)} unscored" if shown.unscored else ""
    if shown.text is None:
        return f"undefined: {plain(shown.reason or '')}{unscored}"
    beside = f" \\{around[0]}{shown.interval}\\{around[1]}" if shown.interval else ""
    return f"{shown.text}{beside}{unscored}"


def population_head(column: Column) -> str:
    """A population as the head of a column, or in front of a row."""
    shift = "ID" if column.shift == "none" else column.shift
    return f"{code(column.task)} ({shift})"


def marked(shown: Cell | None) -> str:
    """A cell, with what its mark says."""
    mark = MARKS.get(shown.mark) if shown else None
    return cell(shown) + (f", {mark}" if mark else "")
