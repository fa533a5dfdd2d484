"""The wrong answers that a scorer is surest of: what a reader of the report looks at first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from llmood.explanation_records import Explanation
from llmood.metrics import ERROR_DETECTION
from llmood.questions.judgements import Judgements
from llmood.questions.mistakes import asked_for, lowest
from llmood.questions.ood_detection import HEADLINE
from llmood.questions.populations import ScoredBenchmark
from llmood.records import MetricRecord

KIND: Literal["answer"] = "answer"
SHOWN = 8


def confident_errors(
    scored: ScoredBenchmark,
    judgements: Judgements,
    records: Sequence[MetricRecord],
    ids: Sequence[str],
    answers: dict[str, str | None],
) -> list[Explanation]:
    """The ID samples that were answered wrongly with the lowest scores, the surest first.

    The scorer is the one with the highest AUROC of errors on ID, baselines aside: another would show answers that
    nobody relies on. Equal scores stay in the samples' order.

    Args:
        ids: of all scored samples, in their order.
        answers: sample id → what was answered; a sample without one isn't shown.
    """
    scorer = _finest(records, asked_for(scored.scores))
    if scorer is None:
        return []
    rows = np.sort(judgements.rows(scored.id))
    wrong = rows[judgements.wrong[rows]]
    shown = [ids[row] for row in lowest(scored.scores[scorer], wrong, SHOWN).tolist()]
    return [Explanation(name, scorer, KIND, text=answers[name]) for name in shown if answers.get(name)]


def _finest(records: Sequence[MetricRecord], asked: Sequence[str]) -> str | None:
    found = [
        (record.value, -asked.index(record.scorer), record.scorer)
        for record in records
        if (record.question, record.metric, record.population, record.slice)
        == (ERROR_DETECTION, HEADLINE, "id", None)
        and record.scorer in asked
        and record.value is not None
    ]
    return max(found)[2] if found else None
