"""Are there enough right and wrong answers to tell one from the other?"""

from __future__ import annotations

from collections.abc import Iterator

from llmood.checks.base import CheckInput, checks
from llmood.questions.errors import ACCURACY, QUESTION
from llmood.records import Check

FEWEST = 10


@checks.register("few_errors")
def few_errors(given: CheckInput) -> Iterator[Check]:
    """An AUROC of errors on a handful of right or of wrong answers hangs on each of them."""
    for record in given.records:
        if (record["question"], record["metric"]) != (QUESTION, ACCURACY) or record["value"] is None:
            continue
        right, wrong = record["n_negative"], record["n_positive"]
        if min(right, wrong) < FEWEST:
            task = record["ood_task"] or record["id_task"]
            yield Check(
                code="few_errors",
                severity="warning",
                title="Few right or wrong answers",
                detail=(
                    f"{task} has {right} right and {wrong} wrong answers; error detection there needs at least "
                    f"{FEWEST} of both."
                ),
                task=task,
                values={"right": right, "wrong": wrong},
            )
