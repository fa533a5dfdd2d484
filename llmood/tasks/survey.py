"""What there is to know of a task's samples before anything is run on them. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from llmood.records import Check, Sample, Split
from llmood.tasks.load import LoadedTask
from llmood.tasks.splits import Splits, content_key, fold

SHORT = 3  # characters: a prompt below this is rarely a question
QUANTILES = (0.0, 0.5, 0.95, 1.0)
FIELDS = ("label", "domain", "group", "parent_id", "severity", "references", "choices", "votes")
DOMINANT = 0.5  # of a split's rows in one group: whatever is resampled by group hardly varies then


@dataclass(frozen=True, slots=True)
class Groups:
    """How many groups a split has, how many rows the largest of them, and how many rows have none."""

    groups: int
    largest: int
    without: int


@dataclass(frozen=True, slots=True)
class SplitSurvey:
    """One split: its size, what it was carved from, and how long its texts are.

    `characters` are the quantiles of `QUANTILES`; `fields` says of each mapped field what share of rows has it.
    """

    samples: int
    carved_from: Split | None
    characters: tuple[int, ...]
    fields: dict[str, float]
    groups: Groups | None
    duplicates: int


@dataclass(frozen=True, slots=True)
class Survey:
    """One task, split by split."""

    task: str
    splits: dict[Split, SplitSurvey]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def survey(loaded: LoadedTask) -> Survey:
    """Look at every sample of a loaded task."""
    mapped = _mapped(loaded)
    return Survey(
        loaded.spec.name,
        {
            split: SplitSurvey(
                samples=len(samples),
                carved_from=loaded.carved.get(split),
                characters=quantiles([len(sample.text) for sample in samples]),
                fields={name: _share(name, samples) for name in mapped},
                groups=_groups(samples) if "group" in mapped else None,
                duplicates=duplicates(samples),
            )
            for split, samples in loaded.samples.items()
        },
    )


def survey_checks(loaded: LoadedTask) -> list[Check]:
    """What is odd about the samples, beside what loading them had to say."""
    task, splits = loaded.spec.name, loaded.samples
    return [
        *_counted(
            task,
            {split: duplicates(samples) for split, samples in splits.items()},
            code="duplicates_in_split",
            title="Rows that stand twice in a split",
            sentence=f"Rows of {task} that repeat an earlier one of their split to the letter",
        ),
        *_counted(
            task,
            {split: _repeated_ids(samples) for split, samples in splits.items()},
            code="duplicate_ids",
            title="Ids that stand twice",
            sentence=f"Rows of {task} that bear the 'id' of an earlier row of their split",
        ),
        *_counted(
            task,
            {
                split: sum(len(sample.text.strip()) < SHORT for sample in rows)
                for split, rows in splits.items()
            },
            code="short_texts",
            title="Very short texts",
            sentence=f"Prompts of {task} with fewer than {SHORT} characters",
        ),
        *_dominant_groups(task, splits),
    ]


def overlap_across(id_task: LoadedTask, others: Iterable[LoadedTask]) -> list[Check]:
    """Texts of other tasks that stand in the ID task: word for word, and but for case and punctuation.

    A sample that was made of one of the ID task (its `parent_id` says so) is none of these: it may look alike.
    """
    own = [sample for samples in id_task.samples.values() for sample in samples]
    ids, exact, folded = (
        {sample.sample_id for sample in own},
        {sample.text for sample in own},
        {fold(sample.text) for sample in own},
    )
    found = []
    for other in others:
        rows = [sample for samples in other.samples.values() for sample in samples]
        strangers = [sample for sample in rows if sample.parent_id not in ids]
        same = sum(sample.text in exact for sample in strangers)
        alike = sum(fold(sample.text) in folded for sample in strangers)
        if alike:
            name = other.spec.name
            found.append(
                Check(
                    code="overlap_across_tasks",
                    severity="warning",
                    title="The same texts in ID and OOD",
                    detail=(
                        f"{alike} of {len(rows)} texts of {name} stand in {id_task.spec.name} too, "
                        f"{same} of them to the letter."
                    ),
                    task=name,
                    values={"exact": same, "folded": alike},
                )
            )
    return found


def spread(splits: Mapping[Any, Sequence[Sample]], count: int) -> list[tuple[Any, Sample]]:
    """So many samples, from as many of the lists as there are: the first of each, then the second of each."""
    turns = max((len(samples) for samples in splits.values()), default=0)
    ordered: Iterator[tuple[Any, Sample]] = (
        (name, samples[turn])
        for turn in range(min(turns, count))
        for name, samples in splits.items()
        if turn < len(samples)
    )
    return [found for found, _ in zip(ordered, range(count), strict=False)]


def duplicates(samples: Iterable[Sample]) -> int:
    """How many samples repeat an earlier one exactly."""
    counts = Counter(content_key(sample) for sample in samples)
    return sum(counts.values()) - len(counts)


def quantiles(values: Sequence[int]) -> tuple[int, ...]:
    """The values at `QUANTILES`: each of them is one that occurs."""
    if not values:
        return ()
    return tuple(int(value) for value in np.quantile(values, QUANTILES, method="inverted_cdf"))


def _mapped(loaded: LoadedTask) -> list[str]:
    """The fields that the YAML maps, and those that samples have without it (the answer of a chat)."""
    sources = [loaded.spec.fields_of(source) for source in loaded.spec.sources]
    own = [loaded.spec.fields, *sources]
    samples = [sample for split in loaded.samples.values() for sample in split]
    names = [
        name
        for name in FIELDS
        if any(getattr(fields, name) for fields in own) or any(_has(name, sample) for sample in samples)
    ]
    return [*names, *dict.fromkeys(f"meta.{name}" for fields in own for name in fields.meta)]


def _has(name: str, sample: Sample) -> bool:
    if name.startswith("meta."):
        return sample.meta.get(name.removeprefix("meta.")) is not None
    return getattr(sample, name) not in (None, (), {})


def _share(name: str, samples: Sequence[Sample]) -> float:
    return sum(_has(name, sample) for sample in samples) / len(samples)


def _groups(samples: Iterable[Sample]) -> Groups:
    counts = Counter(sample.group for sample in samples)
    without = counts.pop(None, 0)
    return Groups(len(counts), max(counts.values(), default=0), without)


def _repeated_ids(samples: Iterable[Sample]) -> int:
    counts = Counter(str(sample.meta["id"]) for sample in samples if sample.meta.get("id") is not None)
    return sum(counts.values()) - len(counts)


def _counted(
    task: str, counts: Mapping[Split, int], *, code: str, title: str, sentence: str
) -> Iterator[Check]:
    found: dict[str, float | int | str | None] = {split: count for split, count in counts.items() if count}
    if found:
        shown = ", ".join(f"{count} in {split}" for split, count in found.items())
        yield Check(code, "warning", title, f"{sentence}: {shown}.", task, found)


def _dominant_groups(task: str, splits: Splits) -> Iterator[Check]:
    for split, samples in splits.items():
        largest = _groups(samples).largest
        if largest > 1 and largest > DOMINANT * len(samples):
            detail = (
                f"One group holds {largest} of the {len(samples)} rows of {task}'s '{split}': groups are "
                "resampled whole, so intervals will say little."
            )
            yield Check("dominant_group", "warning", "One group is most of a split", detail, task)
