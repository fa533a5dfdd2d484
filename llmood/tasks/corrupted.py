"""A task whose prompts are another's with mistakes in them: the same questions, harder to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llmood.errors import DataError
from llmood.records import Check, Sample, Split
from llmood.tasks.corrupt import corrupt
from llmood.tasks.load import LoadedTask
from llmood.tasks.row_errors import RowError
from llmood.tasks.splits import number_samples

ASKING = frozenset({"user", "human"})  # whose turns of a chat are corrupted
NOT_WORDS = frozenset({"from", "role", "type"})  # the keys of a chat turn that a model reads as structure


def family_of(task: str, corruption: str) -> str:
    """What the grades of one corruption of one task are called together."""
    return f"{task}.{corruption}"


def corrupted(
    loaded: LoadedTask, corruption: str, grade: int, *, split: Split = "test", seed: int = 0
) -> LoadedTask:
    """The samples of one split, corrupted, as a task of its own; each names its original as `parent_id`.

    What a row puts into the prompt is corrupted, not the words of the template around it. A sample shares its
    original's group, so that both are resampled together.

    Args:
        loaded: a task that was loaded with `keep_cells`.
        corruption: a name of `CORRUPTIONS`.
        grade: 1 (slight) to 5.

    Raises:
        DataError: a row can't be rendered once it is corrupted.
    """
    if loaded.reader is None:
        raise ValueError("a corrupted task needs one that was loaded with its reader")
    name = f"{family_of(loaded.spec.name, corruption)}.{grade}"
    made: list[Sample] = []
    for sample in loaded.samples[split]:
        cells = {
            column: _corrupt_cell(value, corruption, grade, seed, f"{sample.sample_id}:{column}")
            for column, value in sample.cells.items()
        }
        try:
            messages = loaded.reader.messages(cells)
        except RowError as error:
            raise DataError(
                f"{sample.source_line}: can't be made into a prompt with '{corruption}', grade {grade}: {error}"
            ) from None
        made.append(
            replace(
                sample,
                task=name,
                messages=messages,
                parent_id=sample.sample_id,
                severity=grade,
                cells=cells,
            )
        )
    spec = loaded.spec.model_copy(
        update={"name": name, "description": f"{loaded.spec.name} with {corruption}, grade {grade} of 5."}
    )
    return LoadedTask(spec, {split: number_samples(made)}, [], {}, [], loaded.source, reader=loaded.reader)


def corrupted_grades(
    loaded: LoadedTask, corruption: str, grades: Sequence[int], *, split: Split = "test", seed: int = 0
) -> list[LoadedTask]:
    """One corruption in several grades; how many texts each left alone is one check, of the grade that left most.

    Raises:
        DataError: a row can't be rendered once it is corrupted.
    """
    made = {grade: corrupted(loaded, corruption, grade, split=split, seed=seed) for grade in grades}
    originals = {sample.sample_id: sample.messages for sample in loaded.samples[split]}
    unchanged = {
        grade: sum(sample.messages == originals[str(sample.parent_id)] for sample in task.samples[split])
        for grade, task in made.items()
    }
    most = max(made, key=lambda grade: unchanged[grade])
    if unchanged[most]:
        check = _unchanged(
            family_of(loaded.spec.name, corruption),
            made[most].spec.name,
            unchanged,
            len(loaded.samples[split]),
        )
        made[most] = replace(made[most], checks=[check])
    return list(made.values())


def _corrupt_cell(value: Any, corruption: str, grade: int, seed: int, key: str) -> Any:
    if isinstance(value, str):
        return corrupt(value, corruption, grade, seed=seed, key=key) if value.strip() else value
    if isinstance(value, Mapping):
        if value.get("role", value.get("from", "user")) not in ASKING:
            return value  # a system turn is the operator's, and comes out right whatever a person types
        return {
            name: item if name in NOT_WORDS else _corrupt_cell(item, corruption, grade, seed, f"{key}.{name}")
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _corrupt_cell(item, corruption, grade, seed, f"{key}.{place}") for place, item in enumerate(value)
        ]
    return value


def _unchanged(family: str, task: str, unchanged: Mapping[int, int], total: int) -> Check:
    left = {grade: count for grade, count in unchanged.items() if count}
    listed = ", ".join(f"{count} of {total} at grade {grade}" for grade, count in left.items())
    return Check(
        code="unchanged_by_corruption",
        severity="info",
        title="Texts that a corruption left alone",
        detail=f"Texts of {family} that are left as they were: {listed}.",
        task=task,
        values={"samples": total} | {f"unchanged_at_grade_{grade}": count for grade, count in left.items()},
    )
