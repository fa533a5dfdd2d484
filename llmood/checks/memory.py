"""Does the model know by heart the rows that scorers learn its answers from?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from llmood.checks.base import CheckInput, checks
from llmood.metrics.proportions import difference_of_shares
from llmood.records import Check, Split
from llmood.scorers.base import Scorer
from llmood.scorers.on_adapter import OnAdapter
from llmood.scorers.state_probe import StateProbe


@checks.register("train_remembered")
def train_remembered(given: CheckInput) -> Iterator[Check]:
    """More right answers in train than in validation: what a scorer learns of them there holds less for new prompts."""
    learning = {name: scorer for name, scorer in given.scorers.items() if _learns_from_answers(scorer)}
    train, validation = _right(given, "train"), _right(given, "validation")
    if not learning or not train[1] or not validation[1]:
        return
    low, high = difference_of_shares(train, validation)
    if low <= 0.0:
        return
    task = given.scored.id.task
    probes = [name for name, scorer in learning.items() if isinstance(scorer, StateProbe)]
    others = [name for name in learning if name not in probes]
    remedies = [
        *(
            [f"for {', '.join(probes)} take the .held_out variant, which learns from validation"]
            if probes
            else []
        ),
        *([f"give {', '.join(others)} train rows that the model was not tuned on"] if others else []),
    ]
    yield Check(
        code="train_remembered",
        severity="warning",
        title="The model remembers train",
        detail=(
            f"Of {task}'s answers {_said(train)} are right in train and {_said(validation)} in validation: the model "
            f"remembers what it was tuned on, and {', '.join(learning)} learned from those answers; "
            f"{'; '.join(remedies)}."
        ),
        task=task,
        values={
            "train_right": train[0],
            "train": train[1],
            "validation_right": validation[0],
            "validation": validation[1],
            "ci_low": low,
            "ci_high": high,
        },
    )


def _learns_from_answers(scorer: Scorer) -> bool:
    # Only the first adapter's answers are judged.
    if scorer.fitted_on != "train" or isinstance(scorer, OnAdapter):
        return False
    return scorer.reads_correctness or bool(scorer.fit_needs)


def _right(given: CheckInput, split: Split) -> tuple[int, int]:
    """How many of the ID task's judged answers are right, and how many there are."""
    if given.learned is None:
        return 0, 0
    rows = given.learned.of(split)
    correct = rows.correct()[pc.equal(rows.samples["task"], given.scored.id.task).to_numpy()]
    return int(np.nansum(correct)), int((~np.isnan(correct)).sum())


def _said(share: tuple[int, int]) -> str:
    right, judged = share
    return f"{right / judged:.1%} ({right} of {judged})".replace("%", " %")
