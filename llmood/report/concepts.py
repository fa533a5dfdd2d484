"""The part of the report about concepts: what a few principal directions of train's states keep of a detector."""

from __future__ import annotations

from dataclasses import dataclass

from llmood.displays import ConceptCurve
from llmood.questions.concepts import COMPLETENESS, QUESTION
from llmood.report.cells import Cell, record_cell
from llmood.report.figures import Picture
from llmood.report.read import Record, RunFiles
from llmood.report.svg import inline_svg
from llmood.report.tables import checks_about

SHOWN = 4  # detectors; the others stand in metrics.json


@dataclass(frozen=True)
class ConceptRow:
    """One number of concepts: completeness and separability of each detector, two cells each."""

    concepts: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class ConceptSet:
    """One OOD set's rows."""

    task: str
    shift: str
    severity: int | None
    checks: tuple[int, ...]
    rows: tuple[ConceptRow, ...]


@dataclass(frozen=True)
class ConceptsPart:
    """All of it."""

    scorers: tuple[str, ...]
    sets: tuple[ConceptSet, ...]
    pictures: tuple[Picture, ...]
    others: int


def concepts_part(run: RunFiles, prefix: str) -> ConceptsPart | None:
    """None where no detector was explained so. Grades of a shift are left out; they stand in metrics.json."""
    own = [record for record in run.records if record["question"] == QUESTION]
    tasks = run.single_ood_tasks
    if not own or not tasks:
        return None
    scorers = tuple(dict.fromkeys(record["scorer"] for record in own))
    chosen = scorers[:SHOWN]
    pictures = tuple(
        Picture(
            inline_svg(ConceptCurve(own, ood_task=task["name"], scorers=chosen), f"{prefix}-c{place}"),
            title=task["name"],
        )
        for place, task in enumerate(tasks)
    )
    sets = tuple(_rows(run, task, chosen, own) for task in tasks)
    return ConceptsPart(chosen, sets, pictures, len(scorers) - len(chosen))


def _rows(run: RunFiles, task: Record, scorers: tuple[str, ...], own: list[Record]) -> ConceptSet:
    name = task["name"]
    here = [record for record in own if record["ood_task"] == name]
    index = {
        (each["params"]["concepts"], each["scorer"], each["metric"] == COMPLETENESS): each for each in here
    }
    rows = tuple(
        ConceptRow(
            count,
            tuple(_cell(index.get((count, scorer, kept))) for scorer in scorers for kept in (True, False)),
        )
        for count in sorted({each["params"]["concepts"] for each in here})
    )
    return ConceptSet(name, task["shift"], task["severity"], checks_about(run, name), rows)


def _cell(record: Record | None) -> Cell | None:
    of_all = record is None or record["metric"] == COMPLETENESS
    return record_cell(record, unscored=None if of_all else 0)
