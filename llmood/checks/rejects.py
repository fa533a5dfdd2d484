"""Was every row read?"""

from __future__ import annotations

from collections.abc import Iterator

from llmood.checks.base import CheckInput, checks
from llmood.records import Check


@checks.register("rejected_rows")
def rejected_rows(given: CheckInput) -> Iterator[Check]:
    """Rows that can't be read are in no number here: if they are alike, the rest is another population."""
    for task in given.tasks:
        if task["rejects"]:
            yield Check(
                code="rejected_rows",
                severity="warning",
                title="Rows that can't be read",
                detail=(
                    f"{task['rejects']} rows of {task['name']} can't be read and are left out; "
                    "rejects.jsonl says where and why."
                ),
                task=task["name"],
                values={"rows": task["rejects"]},
            )
