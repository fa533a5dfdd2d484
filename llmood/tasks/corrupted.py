"""A task whose questions are another's, harder to read: mistakes in the words, spoilt pictures, or both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llmood.errors import DataError
from llmood.picture_records import Corruptions, Picture
from llmood.records import Check, Message, Sample, Split
from llmood.tasks.corrupt import GRADES, corrupt
from llmood.tasks.fields import RowReader
from llmood.tasks.images.cells import spoilt_pictures
from llmood.tasks.load import LoadedTask
from llmood.tasks.row_errors import RowError
from llmood.tasks.splits import number_samples
from llmood.tasks.unchanged import unchanged

ASKING = frozenset({"user", "human"})  # whose turns of a chat are corrupted
NOT_WORDS = frozenset({"from", "role", "type"})  # the keys of a chat turn that a model reads as structure

Words = tuple[tuple[Message, ...], Mapping[str, Any]]
Change = tuple[str | None, int]
"""A corruption and its grade; none, and 0, where a side is as it was."""


def corrupted(
    loaded: LoadedTask, wanted: Sequence[Corruptions], *, split: Split = "test", seed: int = 0
) -> list[LoadedTask]:
    """The samples of one split, corrupted, a task for each of what is wanted; each names its original as `parent_id`.

    What a row puts into the prompt is corrupted, not the words of the template around it. A sample shares its
    original's group, so that both are resampled together. Pictures are read here for the digests of what becomes of
    them, and made again where a model is shown them; a sample that has none stays as it is. What a corruption left
    alone is one check a family, of the grade that left most.

    Args:
        loaded: a task that was loaded with `keep_cells`.

    Raises:
        DataError: a row can't be rendered once it is corrupted, or its picture can't be read any more.
    """
    if loaded.reader is None:
        raise ValueError("a corrupted task needs one that was loaded with its reader")
    made: dict[Corruptions, list[Sample]] = {each: [] for each in wanted}
    texts = dict.fromkeys((each.text, each.text_grade) for each in wanted)
    images = dict.fromkeys((each.image, each.image_grade) for each in wanted)
    for sample in loaded.samples[split]:
        words = {change: _words(loaded.reader, sample, change, seed) for change in texts}
        shown = _pictures(sample, images, seed)
        for each, samples in made.items():
            messages, cells = words[each.text, each.text_grade]
            pictures = shown[each.image, each.image_grade]
            samples.append(
                replace(
                    sample,
                    task=each.name,
                    messages=messages,
                    images=tuple(picture.digest for picture in pictures),
                    pictures=pictures,
                    parent_id=sample.sample_id,
                    severity=each.severity,
                    cells=cells,
                )
            )
    checks = unchanged(loaded.samples[split], made)
    return [_task(loaded, each, split, samples, checks.get(each)) for each, samples in made.items()]


def _words(reader: RowReader, sample: Sample, change: Change, seed: int) -> Words:
    """The prompt, and what it is made of, with a corruption of texts."""
    corruption, grade = change
    if corruption is None:
        return sample.messages, sample.cells
    cells = {
        column: _corrupt_cell(value, corruption, grade, seed, f"{sample.sample_id}:{column}")
        for column, value in sample.cells.items()
    }
    try:
        return reader.messages(cells), cells
    except RowError as error:
        raise DataError(
            f"{sample.source_line}: can't be made into a prompt with '{corruption}', grade {grade}: {error}"
        ) from None


def _pictures(sample: Sample, changes: Iterable[Change], seed: int) -> dict[Change, tuple[Picture, ...]]:
    """The pictures in each of several changes."""
    named = [(corruption, grade) for corruption, grade in changes if corruption is not None]
    try:
        made = [
            spoilt_pictures(picture, named, seed=seed, key=f"{sample.sample_id}:picture.{place}")
            for place, picture in enumerate(sample.pictures)
        ]
    except RowError as error:
        raise DataError(f"{sample.source_line}: {error}") from None
    found: dict[Change, tuple[Picture, ...]] = {
        change: tuple(one[change] for one in made) for change in named
    }
    return found | {(None, 0): sample.pictures}


def _task(
    loaded: LoadedTask, made: Corruptions, split: Split, samples: list[Sample], check: Check | None
) -> LoadedTask:
    said = " and ".join(
        f"{name}, grade {grade} of {GRADES[-1]}" for name, grade in made.sides if name is not None
    )
    spec = loaded.spec.model_copy(
        update={"name": made.name, "description": f"{loaded.spec.name} with {said}."}
    )
    checks = [check] if check else []
    return LoadedTask(
        spec, {split: number_samples(samples)}, [], {}, checks, loaded.source, reader=loaded.reader
    )


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
