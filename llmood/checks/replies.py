"""Could be read what a model said when it was asked about an answer?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from llmood.checks.base import CheckInput, checks
from llmood.judging.judge_model import JUDGE_RULE, UNREADABLE
from llmood.measures.stated_confidence import NO_NUMBER, OUT_OF_RANGE
from llmood.questions.errors import ACCURACY
from llmood.records import FAILED, OK, Check

MOST = 0.99


@checks.register("stated_confidence")
def stated_confidence(given: CheckInput) -> Iterator[Check]:
    """The share of replies that state a confidence: the others are unscored, and likely not like those that do."""
    for column in given.columns:
        unread = np.isin(column.reasons.astype(str), [NO_NUMBER, OUT_OF_RANGE])
        if not unread.any() and not column.scorer.startswith("verbalised_confidence"):
            continue
        asked = unread | (column.status == OK)
        counts = {
            population.task: (
                int((asked & ~unread)[population.rows].sum()),
                int(asked[population.rows].sum()),
            )
            for population in (given.scored.id, *given.scored.ood)
        }
        yield from _check("stated_confidence", f"{column.scorer} read a confidence in", counts)


@checks.register("judge_replies")
def judge_replies(given: CheckInput) -> Iterator[Check]:
    """The share of a judge's replies that are yes or no: the other answers have no verdict."""
    counts = {}
    for record in given.records:
        if (record["metric"], record["correctness"]) == (ACCURACY, JUDGE_RULE):
            unread = int(record["params"]["not_judged"].get(UNREADABLE, 0))
            counts[record["ood_task"] or record["id_task"]] = (record["n"], record["n"] + unread)
    yield from _check("judge_replies", "The judge said yes or no in", counts)


@checks.register("judging_failed")
def judging_failed(given: CheckInput) -> Iterator[Check]:
    """Answers without a verdict because an engine failed; a second run tries them again."""
    rows = [] if given.judged is None else given.judged.select(["status", "reason"]).to_pylist()
    failed = [row["reason"] for row in rows if row["status"] == FAILED]
    if failed:
        yield Check(
            code="judging_failed",
            severity="warning",
            title="Answers that could not be judged",
            detail=(
                f"{len(failed)} of {len(rows)} answers have no verdict because a model failed, the first for: "
                f"{failed[0]}. The same command tries them again."
            ),
            values={"failed": len(failed), "answers": len(rows)},
        )


def _check(code: str, who: str, counts: Mapping[str, tuple[int, int]]) -> Iterator[Check]:
    """One check of parsed and asked replies by task; nothing where nobody was asked."""
    rates = {task: parsed / asked for task, (parsed, asked) in counts.items() if asked}
    if not rates:
        return
    listed = ", ".join(f"{counts[task][0]} of {counts[task][1]} replies on {task}" for task in rates)
    yield Check(
        code=code,
        severity="info" if min(rates.values()) >= MOST else "warning",
        title="Replies that could be read",
        detail=f"{who} {listed}; the rest is left out of its numbers.",
        values=rates,
    )
