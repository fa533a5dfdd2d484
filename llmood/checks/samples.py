"""Are there enough samples, were they all scored, and are they really two populations?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmood.checks.base import CheckInput, checks
from llmood.records import FAILED, UNSCORED, Check

FEW = 100
UNSCORED_SHARE = 0.01


@checks.register("too_few_samples")
def too_few_samples(given: CheckInput) -> Iterator[Check]:
    """Below a hundred samples the intervals say little, and a rate of 5 % is a handful."""
    sizes = {population.task: len(population.rows) for population in (given.scored.id, *given.scored.ood)}
    few = {task: count for task, count in sizes.items() if count < FEW}
    if few:
        listed = ", ".join(f"{task} has {count}" for task, count in few.items())
        yield Check(
            code="too_few_samples",
            severity="warning",
            title="Few samples",
            detail=f"Rates and tails need at least {FEW} samples: {listed}.",
            values=few,
        )


@checks.register("unscored")
def unscored(given: CheckInput) -> Iterator[Check]:
    """Unscored samples are left out of every metric: many of them, and the metric is of another population."""
    for population in (given.scored.id, *given.scored.ood):
        alike: dict[tuple[int, str], list[str]] = {}
        for column in given.columns:
            missing = column.status[population.rows] == UNSCORED
            if missing.mean() > UNSCORED_SHARE:
                reasons, counts = np.unique(
                    column.reasons[population.rows][missing].astype(str), return_counts=True
                )
                alike.setdefault((int(missing.sum()), str(reasons[counts.argmax()])), []).append(
                    column.scorer
                )
        for (count, reason), names in alike.items():
            yield Check(
                code="unscored",
                severity="warning",
                title="Unscored samples",
                detail=(
                    f"{count} of {len(population.rows)} samples of {population.task} are unscored by "
                    f"{', '.join(names)}, most of them for: {reason}."
                ),
                task=population.task,
                values={"unscored": count, "samples": len(population.rows)},
            )


@checks.register("failed")
def failed(given: CheckInput) -> Iterator[Check]:
    """Samples that the engine failed on; a second run tries them again."""
    for column in given.columns:
        count = int((column.status == FAILED).sum())
        if count:
            reason = column.reasons[column.status == FAILED][0]
            yield Check(
                code="failed",
                severity="warning",
                title="Failed samples",
                detail=(
                    f"{column.scorer}: {count} samples failed, the first for: {reason}. "
                    "The same command tries them again."
                ),
                values={"failed": count},
            )


@checks.register("id_ood_overlap")
def id_ood_overlap(given: CheckInput) -> Iterator[Check]:
    """The same prompt in ID and OOD counts once as a false alarm and once as a miss."""
    prompts = given.observations.samples["prompt_hash"].to_pylist()
    known = {prompts[row] for row in given.scored.id.rows}
    parents = given.scored.parents
    for population in given.scored.ood:
        # What was made of an ID sample is meant to be near it.
        rows = [row for row in population.rows if parents is None or parents[row] < 0]
        shared = sum(prompts[row] in known for row in rows)
        if shared:
            yield Check(
                code="id_ood_overlap",
                severity="warning",
                title="The same prompts in ID and OOD",
                detail=f"{shared} prompts of {population.task} stand word for word in {given.scored.id.task} too.",
                task=population.task,
                values={"shared": shared},
            )


@checks.register("declared_overlap")
def declared_overlap(given: CheckInput) -> Iterator[Check]:
    """What the benchmark's author said about an OOD set."""
    for task in given.tasks:
        if task["note"]:
            yield Check(
                code="declared_overlap",
                severity="info",
                title="A note of the benchmark",
                detail=f"{task['name']}: {task['note']}",
                task=task["name"],
            )
