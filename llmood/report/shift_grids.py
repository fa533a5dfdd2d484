"""Grids of shifts in the report: every family by its grades, and corrupted pictures by corrupted words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from llmood.displays import ShiftHeatMap
from llmood.picture_records import Corruptions
from llmood.questions.errors import ACCURACY
from llmood.questions.ood_detection import HEADLINE
from llmood.report.cells import Cell, record_cell
from llmood.report.figures import Picture
from llmood.report.read import Record, RunFiles
from llmood.report.svg import inline_svg
from llmood.report.tables import cell_of, column_of
from llmood.report.text import shown

NONE = "as it was"
DETECTED = "Darker is higher, from 0.5 on. Hatched: not above chance."
RIGHT = "Darker is higher, from 0 on."


@dataclass(frozen=True)
class Grid:
    """Populations by row and column; a place may have none.

    Attributes:
        axes: what rows and columns are of, in words.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    tasks: Mapping[tuple[str, str], Record]
    axes: tuple[str, str]

    def map(self, run: RunFiles, scorer: str | None = None) -> ShiftHeatMap:
        """AUROC of a scorer; without one, the share of right answers."""
        return ShiftHeatMap(
            run.records,
            {place: task["name"] for place, task in self.tasks.items()},
            rows=self.rows,
            columns=self.columns,
            id_task=run.id_task["name"] if run.id_task else "",
            scorer=scorer,
            axes=self.axes,
        )

    def laid_out(self, title: str, cell: Callable[[Record], Cell | None]) -> GridTable:
        """A cell a population."""
        found = {place: cell(task) for place, task in self.tasks.items()}
        rows = tuple((row, tuple(found.get((row, column)) for column in self.columns)) for row in self.rows)
        return GridTable(title, " by ".join(self.axes), self.columns, rows)


@dataclass(frozen=True)
class GridTable:
    """What a heat map shows, and the intervals, to be read."""

    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True)
class GridPart:
    """Heat maps of one grid, and its tables: one a scorer, and one of right answers."""

    name: str
    pictures: list[Picture]
    tables: tuple[GridTable, ...]


def families_part(run: RunFiles, prefix: str) -> GridPart | None:
    """Every shift that comes in grades, by grade. Its AUROCs stand in the families' own tables."""
    if run.id_task is None or not run.families:
        return None
    graded = _graded(run)
    pictures = [_detected(run, graded, f"{prefix}-g")]
    if not _judged(run):
        return GridPart("", pictures, ())
    # The unshifted questions have answers, too: they are the severity 0 of what was made of them.
    known = {task["name"]: task for task in run.tasks}
    origins = {
        (family, "0"): known[made.of]
        for family, tasks in run.families.items()
        if (made := Corruptions.from_json(tasks[0].get("corruptions"))) is not None and made.of in known
    }
    columns = tuple(dict.fromkeys([*(["0"] if origins else []), *graded.columns]))
    every = replace(graded, columns=columns, tasks={**origins, **graded.tasks})
    return GridPart("", [*pictures, _right(run, every, f"{prefix}-gr")], (_right_table(run, every),))


def _graded(run: RunFiles) -> Grid:
    tasks = {(family, str(task["severity"])): task for family, own in run.families.items() for task in own}
    columns = sorted({column for _, column in tasks}, key=int)
    return Grid(tuple(run.families), tuple(columns), tasks, ("shift", "severity"))


def grid_parts(run: RunFiles, prefix: str) -> list[GridPart]:
    """One for each task whose pictures and words were corrupted at once."""
    parts = []
    for position, (of, grid) in enumerate(crossed_grids(run).items()):
        pictures = [_detected(run, grid, f"{prefix}-x{position}")]
        tables = [detected_table(run, grid, name) for name in run.scorers]
        if _judged(run):
            pictures.append(_right(run, grid, f"{prefix}-xr{position}"))
            tables.append(_right_table(run, grid))
        parts.append(GridPart(of, pictures, tuple(tables)))
    return parts


def crossed_grids(run: RunFiles) -> dict[str, Grid]:
    """The grid of each task that has one, by its name."""
    known = {task["name"]: task for task in run.tasks}
    made = [
        (found, task)
        for task in run.tasks
        if (found := Corruptions.from_json(task.get("corruptions"))) is not None
    ]
    return {
        of: _crossed({found: task for found, task in made if found.of == of}, known.get(of))
        for of in dict.fromkeys(found.of for found, _ in made if found.is_joint)
    }


def _crossed(made: Mapping[Corruptions, Record], origin: Record | None) -> Grid:
    """Untouched first, then name by name as the benchmark has them, mildest first."""
    joint = [each for each in made if each.is_joint]
    rows = dict.fromkeys([NONE, *(_named(each.image, each.image_grade) for each in joint)])
    columns = dict.fromkeys([NONE, *(_named(each.text, each.text_grade) for each in joint)])
    tasks = {
        (_named(each.image, each.image_grade), _named(each.text, each.text_grade)): task
        for each, task in made.items()
    }
    if origin is not None:
        tasks[NONE, NONE] = origin
    # Further grades of one side may stand in the benchmark beside the grid.
    kept = {(row, column): task for (row, column), task in tasks.items() if row in rows and column in columns}
    return Grid(tuple(rows), tuple(columns), kept, ("pictures", "words"))


def detected_table(run: RunFiles, grid: Grid, scorer: str) -> GridTable:
    """AUROC of one scorer over a grid."""

    def cell(task: Record) -> Cell | None:
        return None if task["population"] == "id" else cell_of(run, HEADLINE, scorer, column_of(run, task))

    return grid.laid_out(f"AUROC of {scorer}", cell)


def _right_table(run: RunFiles, grid: Grid) -> GridTable:
    def cell(task: Record) -> Cell | None:
        record = run.find_error(ACCURACY, None, None if task["population"] == "id" else task["name"])
        return record_cell(record, partial(shown, ACCURACY), unscored=0)

    return grid.laid_out("Right answers", cell)


def _detected(run: RunFiles, grid: Grid, prefix: str) -> Picture:
    """Of the first scorer that was asked for."""
    scorer = next(iter(run.scorers), "no scorer")
    return Picture(inline_svg(grid.map(run, scorer), prefix), DETECTED, f"AUROC of {scorer}")


def _right(run: RunFiles, grid: Grid, prefix: str) -> Picture:
    return Picture(inline_svg(grid.map(run), prefix), RIGHT, "Right answers")


def _judged(run: RunFiles) -> bool:
    return run.find_error(ACCURACY, None, None) is not None


def _named(corruption: str | None, grade: int) -> str:
    return NONE if corruption is None else f"{corruption} {grade}"
