"""From a task's YAML to its samples: read, carve, check for overlap, number, draw."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmood.errors import DataError
from llmood.records import SPLITS, Check, Reject, Sample, Split
from llmood.tasks.fields import RowReader
from llmood.tasks.row_errors import MissingColumnError, RowError
from llmood.tasks.rows import rows_differ
from llmood.tasks.sources import OpenSplit, open_source
from llmood.tasks.spec import TaskSpec
from llmood.tasks.splits import (
    Splits,
    carve,
    draw,
    folded_overlap,
    leave_train,
    number_samples,
    plan_carving,
    refuse_overlap,
    shared_groups,
)


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """A task's samples, and what happened on the way to them.

    `carved` names the split that each carved one was taken from; `source` says what was read, for `run.json`.
    `reader` renders prompts as these samples' were.
    """

    spec: TaskSpec
    samples: Splits
    rejects: list[Reject]
    carved: dict[Split, Split]
    checks: list[Check]
    source: dict[str, Any] = field(default_factory=dict)
    reader: RowReader | None = None


def load_task(
    spec: TaskSpec,
    splits: Sequence[Split] | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    keep_cells: bool = False,
) -> LoadedTask:
    """Read a task.

    Args:
        splits: those to return, carved where the data lacks them; None: those that the data has.
        limit: at most so many samples a split, drawn by hash.
        seed: the run's seed, for that draw alone.
        keep_cells: whether each sample keeps what its prompt was made of, so that it can be made again, corrupted.

    Raises:
        ConfigError: the YAML is wrong (a template, a column that no row has), or splits share content.
        DataError: the data is not there, is damaged, or leaves a split empty.
    """
    plan: dict[Split, Split] = {}
    wanted: list[Split] = []

    def needed(has: Collection[Split]) -> list[Split]:
        nonlocal plan, wanted
        wanted = [split for split in SPLITS if split in (has if splits is None else splits)]
        plan = plan_carving(spec.name, has, wanted)
        read = {*wanted, *plan.values()} & set(has)
        # Where train is read at all, so is everything else: no row that is measured on may be fitted on.
        return [split for split in SPLITS if split in (has if "train" in read else read)]

    source = open_source(spec, needed)
    reader = RowReader(spec, source.source, keep_cells=keep_cells)
    rejects: dict[Split, list[Reject]] = {split: [] for split in source.splits}
    found = {split: _read(reader, split, opened, rejects[split]) for split, opened in source.splits.items()}
    found, settling_checks = _settle(spec, source.source.rows, found, plan)
    found = {split: found[split] for split in wanted}
    _refuse_empty(spec.name, found, plan, rejects)
    return LoadedTask(
        spec=spec,
        samples={split: draw(number_samples(samples), limit, seed) for split, samples in found.items()},
        rejects=[reject for split in rejects.values() for reject in split],
        carved=plan,
        checks=[
            *source.checks,
            *settling_checks,
            *folded_overlap(spec.name, found),
            *shared_groups(spec.name, found, meant=spec.shared_groups),
        ],
        source=source.record,
        reader=reader,
    )


def _read(reader: RowReader, split: Split, opened: OpenSplit, rejects: list[Reject]) -> list[Sample]:
    samples: list[Sample] = []
    columns: dict[str, None] = {}  # a set that keeps the file's order
    missing: dict[str, None] = {}
    for item in opened.rows():
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        line, row = item
        columns.update(dict.fromkeys(row))
        try:
            sample = reader.sample(row, split, f"{opened.name}:{line}", opened.folder, opened.archive)
        except RowError as error:
            rejects.append(Reject(opened.name, line, str(error)))
            if isinstance(error, MissingColumnError):
                missing[error.column] = None
        else:
            samples += [sample] if sample else []
    nowhere = next((column for column in missing if column not in columns), None)
    if nowhere is not None and columns:
        raise reader.missing_everywhere(nowhere, columns)
    return samples


def _settle(
    spec: TaskSpec, declared: Mapping[Split, int], found: Splits, plan: dict[Split, Split]
) -> tuple[Splits, list[Check]]:
    """Carve, and see to it that no two splits share content."""
    left = 0
    if spec.overlap == "leave_train":
        # Before carving, or what test shares with train would be carved into validation.
        found, left = leave_train(found)
    checks = rows_differ(spec.name, declared, found)
    found = carve(found, plan)
    if spec.overlap == "leave_train":
        # And after: the same content under two groups may have been carved apart.
        found, more = leave_train(found)
        left += more
    refuse_overlap(spec.name, found)
    return found, [*checks, *([_left_train(spec.name, left)] if left else [])]


def _left_train(task: str, left: int) -> Check:
    return Check(
        code="overlap_left_train",
        severity="info",
        title="Rows left train",
        detail=f"{left} train rows of {task} have the exact content of a row in another split, and left train.",
        task=task,
        values={"rows": left},
    )


def _refuse_empty(
    task: str, found: Splits, plan: dict[Split, Split], rejects: dict[Split, list[Reject]]
) -> None:
    for split, samples in found.items():
        if samples:
            continue
        carved = f" (carved from '{plan[split]}')" if split in plan else ""
        message = f"{task}: the split '{split}'{carved} holds no sample"
        lost = rejects[plan.get(split, split)]
        if lost:
            message += f"; {len(lost)} rows rejected, first {lost[0].file}:{lost[0].line}: {lost[0].reason}"
        few = (
            f"'{plan[split]}' has too few rows to carve from: give it more, or '{split}' a file"
            if carved
            else None
        )
        raise DataError(message, hint=None if lost else few)
