"""Which row is in which split: carving what is lacking, and refusing what two splits share. Pure functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

from llmood.errors import ConfigError, DataError
from llmood.identity import digest
from llmood.records import SPLITS, Check, Sample, Severity, Split
from llmood.seeds import unit_interval

Splits = dict[Split, list[Sample]]

# What each split takes of `train`, as an interval of the hash: what one split gets doesn't depend on which others
# are asked for. `calibration` instead takes half of a `validation` that the data has.
TRAIN_SHARES: dict[Split, tuple[float, float]] = {
    "test": (0.0, 0.2),
    "validation": (0.2, 0.3),
    "calibration": (0.3, 0.4),
}
VALIDATION_SHARE = (0.0, 0.5)

_FOLDED_AWAY = re.compile(r"[\W_]+")


def content_key(sample: Sample) -> str:
    """The digest of what makes two samples the same question: messages, choices and images."""
    messages = [[message.role, message.content] for message in sample.messages]
    return digest([messages, list(sample.choices), list(sample.images)])


def fold(text: str) -> str:
    """The text without case, punctuation and spacing: every run of them is one space."""
    return _FOLDED_AWAY.sub(" ", text.casefold()).strip()


def _folded(sample: Sample) -> str:
    """The folded text; of a question about a picture, with that: another picture makes it another question."""
    return "\n".join([fold(sample.text), *sample.images])


def plan_carving(task: str, has: Iterable[Split], wanted: Iterable[Split]) -> dict[Split, Split]:
    """Which of the wanted splits have to be carved, and from what.

    Raises:
        DataError: there is nothing to carve from.
    """
    present = set(has)
    plan: dict[Split, Split] = {}
    for split in SPLITS:
        if split not in wanted or split in present:
            continue
        origin: Split = "validation" if split == "calibration" and "validation" in present else "train"
        if origin not in present or split == "train":
            held = ", ".join(sorted(present))
            raise DataError(
                f"{task}: has no split '{split}', and no '{origin}' to carve it from (has: {held})",
                hint=f"name a file for '{split}' in its YAML",
            )
        plan[split] = origin
    return plan


def carve(splits: Mapping[Split, Sequence[Sample]], plan: Mapping[Split, Split]) -> Splits:
    """Carve by hash of the group (else of the content): stable when rows are added, and the same for every seed."""
    carved: Splits = {split: [] for split in (*splits, *plan)}
    for origin, samples in splits.items():
        shares = {
            split: VALIDATION_SHARE if origin == "validation" else TRAIN_SHARES[split]
            for split, source in plan.items()
            if source == origin
        }
        for sample in samples:
            split = _share_of(sample, shares) if shares else None
            carved[split or origin].append(replace(sample, split=split) if split else sample)
    return carved


def _share_of(sample: Sample, shares: Mapping[Split, tuple[float, float]]) -> Split | None:
    key = f"group:{sample.group}" if sample.group is not None else content_key(sample)
    place = unit_interval(0, "carve", sample.task, key)
    return next((split for split, (low, high) in shares.items() if low <= place < high), None)


def leave_train(splits: Splits) -> tuple[Splits, int]:
    """Take out of `train` the rows whose exact content is in another split too, and count them."""
    others = {
        content_key(sample) for split, samples in splits.items() if split != "train" for sample in samples
    }
    train = splits.get("train", [])
    kept = [sample for sample in train if content_key(sample) not in others]
    return ({**splits, "train": kept} if train else splits), len(train) - len(kept)


def refuse_overlap(task: str, splits: Splits) -> None:
    """Refuse exact content in two splits.

    Raises:
        ConfigError: how many texts which splits share, and where the first of them stand.
    """
    keys = {
        split: {content_key(sample): sample for sample in reversed(samples)}
        for split, samples in splits.items()
    }
    for one, two in combinations(keys, 2):
        shared = [key for key in keys[one] if key in keys[two]]
        if shared:
            lines = ", ".join(
                f"{keys[one][key].source_line} = {keys[two][key].source_line}" for key in shared[:3]
            )
            remedy = "clean the data"
            if "train" in (one, two):
                remedy += ", or set 'overlap: leave_train' in its YAML to let such rows leave train"
            raise ConfigError(f"{task}: '{one}' and '{two}' share {len(shared)} texts: {lines}", hint=remedy)


def folded_overlap(task: str, splits: Mapping[Split, Sequence[Sample]]) -> list[Check]:
    """Count the rows whose text, but for case, punctuation and spacing, stands in an earlier split too."""
    texts = {split: Counter(_folded(sample) for sample in samples) for split, samples in splits.items()}
    return _shared_check(
        texts,
        code="overlap_folded",
        title="Near-copies between splits",
        sentence=f"Rows of {task} with the same text in two splits, but for case and punctuation",
        task=task,
    )


def shared_groups(task: str, splits: Mapping[Split, Sequence[Sample]], *, meant: bool = False) -> list[Check]:
    """Count the rows whose group has rows in an earlier split too; `meant`: the task's YAML says that it is so."""
    groups = {
        split: Counter(sample.group for sample in samples if sample.group is not None)
        for split, samples in splits.items()
    }
    return _shared_check(
        groups,
        code="group_in_two_splits",
        title="Groups in two splits",
        sentence=f"Rows of {task} whose group is in two splits{', as its YAML says' if meant else ''}",
        task=task,
        severity="info" if meant else "warning",
    )


def _shared_check(
    counts: Mapping[Split, Counter[str]],
    *,
    code: str,
    title: str,
    sentence: str,
    task: str,
    severity: Severity = "warning",
) -> list[Check]:
    ordered = [split for split in SPLITS if split in counts]
    shared = {
        f"{one}/{two}": sum(count for value, count in counts[two].items() if value in counts[one])
        for one, two in combinations(ordered, 2)
    }
    found: dict[str, float | int | str | None] = {pair: rows for pair, rows in shared.items() if rows}
    if not found:
        return []
    shown = ", ".join(f"{rows} in {pair}" for pair, rows in found.items())
    return [
        Check(
            code=code,
            severity=severity,
            title=title,
            detail=f"{sentence}: {shown}.",
            task=task,
            values=found,
        )
    ]


def number_samples(samples: Iterable[Sample]) -> list[Sample]:
    """Give each sample its id: the digest of task, split, content, and how many such came before it."""
    seen: Counter[str] = Counter()
    numbered = []
    for sample in samples:
        key = content_key(sample)
        numbered.append(replace(sample, sample_id=digest([sample.task, sample.split, key, seen[key]])))
        seen[key] += 1
    return numbered


def draw(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """The `limit` samples that come first by hash, in their own order: a larger limit only adds to them."""
    if limit is None or len(samples) <= limit:
        return list(samples)
    place = partial(unit_interval, seed, "limit")
    chosen = {
        sample.sample_id for sample in sorted(samples, key=lambda sample: place(sample.sample_id))[:limit]
    }
    return [sample for sample in samples if sample.sample_id in chosen]
