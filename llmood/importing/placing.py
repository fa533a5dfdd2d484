"""Which population a row belongs to, and which tasks the rows make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from llmood.errors import ConfigError, DataError
from llmood.importing import values
from llmood.records import EVALUATED, SHIFTS, SPLITS, Population, Reject, Shift, Split
from llmood.tasks.row_errors import RowError

POPULATIONS: tuple[Population, ...] = ("id", "ood")


@dataclass(slots=True)
class Task:
    """One population of the run.

    Attributes:
        rows: the positions of its samples, by split.
        severities: those that its rows name.
        files: where its rows stand.
    """

    name: str
    population: Population
    shift: Shift
    family: str | None = None
    rows: dict[Split, list[int]] = field(default_factory=dict)
    severities: set[int | None] = field(default_factory=set)
    files: dict[str, None] = field(default_factory=dict)
    rejects: int = 0

    @property
    def severity(self) -> int | None:
        """The one that all of its rows have."""
        return next(iter(self.severities)) if len(self.severities) == 1 else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where one row belongs."""

    task: Task
    split: Split


@dataclass(frozen=True, slots=True)
class Rows:
    """What a file's rows are unless they say otherwise.

    Attributes:
        of_id_task: whether they belong to the ID task of the files before, whatever it is called.
    """

    population: Population
    split: Split = EVALUATED
    of_id_task: bool = False


ID_ROWS, OOD_ROWS, TRAIN_ROWS = Rows("id"), Rows("ood"), Rows("id", "train", of_id_task=True)


class Placing:
    """Sorts rows into tasks.

    Args:
        shift: of OOD rows that name none.
    """

    def __init__(self, shift: Shift | None) -> None:
        self._shift = shift
        self.tasks: dict[str, Task] = {}

    def place(self, row: Mapping[str, Any], stem: str, rows: Rows, name: str, line: int) -> Place:
        """Where a row belongs.

        Args:
            stem: its file's name, for the tasks that it doesn't name.
            rows: what the file's rows are that don't say it.
            name, line: where the row stands, for messages.

        Raises:
            RowError: it contradicts itself, or the other rows of its task.
            ConfigError: it is OOD, and nothing says of which shift.
        """
        split = values.choice("split", row.get("split", rows.split), SPLITS)
        severity = values.whole("severity", row["severity"], range(10_000)) if "severity" in row else None
        found, shift = self._population(row, rows.population, f"{name}:{line}")
        graded = found == "ood" and severity is not None and "task" not in row
        family = f"{stem}.{shift}" if graded else None
        if "task" in row:
            called = values.word("task", row["task"])
        elif graded:
            called = f"{family}.{severity}"
        else:
            called = self._name(stem, rows, found, shift)
        family = values.word("family", row["family"]) if "family" in row else family
        task = self.tasks.setdefault(called, Task(called, found, shift, family))
        belongs, before = (found, shift, family), (task.population, task.shift, task.family)
        if belongs != before:
            here, there = (
                f"{population} ({shift}{f', {family}' if family else ''})"
                for population, shift, family in (belongs, before)
            )
            raise RowError(f"the task {values.shown(called)} is {there} in an earlier row, and {here} here")
        task.severities.add(severity)
        return Place(task, cast(Split, split))

    def ordered(self) -> list[Task]:
        """The ID task, then the OOD tasks.

        Raises:
            ConfigError: there is no ID task, or there are two.
            DataError: the ID task has no row to measure on.
        """
        own = [task for task in self.tasks.values() if task.population == "id"]
        if not own:
            raise ConfigError(
                "every row is OOD, and none is ID to compare with",
                hint="leave 'population' and 'shift' out where the rows are only to be scored",
            )
        if len(own) > 1:
            raise ConfigError(
                f"two ID tasks: '{own[0].name}' and '{own[1].name}'",
                hint="a run has one: mark the others as OOD (population, shift), or import them apart",
            )
        tasks = [*own, *(task for task in self.tasks.values() if task.population == "ood")]
        for task in tasks:
            if "test" not in task.rows:
                raise DataError(f"{task.name}: has no row of the split 'test', so nothing can be measured")
        return tasks

    def count_rejects(self, rejects: list[Reject]) -> None:
        """Count a file's rejects with the first task that stands in it."""
        for reject in rejects:
            tasks = self.tasks.values()
            next((task for task in tasks if reject.file in task.files), next(iter(tasks))).rejects += 1

    def _population(self, row: Mapping[str, Any], default: Population, at: str) -> tuple[Population, Shift]:
        given = values.choice("shift", row["shift"], ("none", *SHIFTS)) if "shift" in row else None
        told = values.choice("population", row["population"], POPULATIONS) if "population" in row else None
        if given == "none":
            if told == "ood":
                raise RowError("an OOD row has a shift, and this one says 'none'")
            given, told = None, "id"
        if given and told == "id":
            raise RowError(f"an ID row has no shift, and this one names '{given}'")
        population = told or ("ood" if given else default)
        if population == "id":
            return "id", "none"
        shift = given or self._shift
        if shift is None:
            raise ConfigError(
                f"{at}: is OOD, and nothing says of which shift",
                hint="--shift near, far or covariate, or a column 'shift'",
            )
        return "ood", cast(Shift, shift)

    def _name(self, stem: str, rows: Rows, found: Population, shift: Shift) -> str:
        """The file's name for what most of it is, else with what sets the row apart behind it."""
        if rows.of_id_task and found == "id":
            own = (task.name for task in self.tasks.values() if task.population == "id")
            return next(own, stem)
        apart = f"{stem}.{'id' if found == 'id' else shift}"
        if found != rows.population:
            return apart
        taken = self.tasks.get(stem)
        return stem if taken is None or (taken.population, taken.shift) == (found, shift) else apart
