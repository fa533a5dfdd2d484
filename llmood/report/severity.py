"""The part of the report about shifts that come in grades."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llmood.displays import SeverityCurve
from llmood.questions.severity import CORRELATION, SHIFT
from llmood.report.figures import Picture
from llmood.report.read import RunFiles
from llmood.report.shift_grids import GridPart, families_part, grid_parts
from llmood.report.svg import inline_svg
from llmood.report.tables import Column, Row, Table, cell_of, column_of, groups_of, metric_table
from llmood.scorers.baselines import BASELINES


@dataclass(frozen=True)
class SeverityPart:
    """The section: all families in one grid, each of them, and the grids of pictures by words."""

    overview: GridPart | None
    families: list[FamilyPart]
    grids: list[GridPart]


@dataclass(frozen=True)
class FamilyPart:
    """One family: its curve, the AUROC at each grade, and how far each grade moves the scores."""

    name: str
    pictures: list[Picture]
    auroc: Table
    shifts: Table


def severity_part(run: RunFiles, prefix: str) -> SeverityPart | None:
    """None where no shift comes in grades, or no metric was computed."""
    if not run.records or not (run.families or run.crossed):
        return None
    return SeverityPart(families_part(run, prefix), _families(run, prefix), grid_parts(run, prefix))


def _families(run: RunFiles, prefix: str) -> list[FamilyPart]:
    found = []
    for position, (family, tasks) in enumerate(run.families.items()):
        columns = tuple(column_of(run, task) for task in tasks)
        grades = {task["name"]: task["severity"] for task in tasks}
        curve = SeverityCurve(run.records, grades, family=family, scorers=run.scorers)
        picture = Picture(inline_svg(curve, f"{prefix}-s{position}"), "Bands are intervals.")
        shifts = _shifts(run, family, columns)
        found.append(FamilyPart(family, [picture], metric_table(run, "auroc", columns), shifts))
    return found


def _shifts(run: RunFiles, family: str, grades: tuple[Column, ...]) -> Table:
    whole = Column(family, grades[0].shift, None, sum(column.samples for column in grades))
    columns = (whole, *grades)

    def rows(names: Iterable[str]) -> tuple[Row, ...]:
        return tuple(
            Row(name, tuple(cell_of(run, CORRELATION if c is whole else SHIFT, name, c) for c in columns))
            for name in names
        )

    baselines = [name for name in run.scores if name in BASELINES]
    return Table(SHIFT, columns, groups_of(columns), rows(run.scorers), rows(baselines))
