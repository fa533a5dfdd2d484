"""Are the rows that were found as many as the task's YAML says?"""

from __future__ import annotations

from collections.abc import Mapping

from llmood.records import SPLITS, Check, Split
from llmood.tasks.splits import Splits


def rows_differ(task: str, declared: Mapping[Split, int], found: Splits) -> list[Check]:
    """Compare the samples of each split that was read, before carving, with the `rows` of its source.

    Another file, another release, or rejected rows: the task's name then no longer says which samples were measured.
    """
    counts = {
        split: (len(found[split]), declared[split])
        for split in SPLITS
        if split in found and split in declared and len(found[split]) != declared[split]
    }
    if not counts:
        return []
    shown = ", ".join(f"{split} has {here:,} instead of {there:,}" for split, (here, there) in counts.items())
    values: dict[str, float | int | str | None] = {}
    for split, (here, there) in counts.items():
        values |= {f"{split}_found": here, f"{split}_declared": there}
    return [
        Check(
            code="rows_differ",
            severity="warning",
            title="Other rows than described",
            detail=f"{task} was read with other rows than its YAML says, so numbers of the two differ: {shown}.",
            task=task,
            values=values,
        )
    ]
