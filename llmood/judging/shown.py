"""Which answers that a prompt shows as examples are right: judged before the run's answers are."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from llmood.engines.captures import shows_shots
from llmood.engines.shots import Judge, nobody
from llmood.errors import ConfigError
from llmood.judging.base import Known, Rule
from llmood.judging.choose import Judging
from llmood.judging.judge import READ
from llmood.records import CaptureSpec


def judge_of(judging: Judging | None, samples: pa.Table) -> Judge:
    """Tells of an answer whether it is right, by the rule or the labels that judge the run."""
    if judging is None:
        return nobody
    if judging.labels is not None:
        labels = judging.labels
        return lambda sample_id, _: labels[sample_id].correct if sample_id in labels else None
    rows = {row["sample_id"]: row for row in samples.select(READ).to_pylist()}
    rules = judging.rules

    def judge(sample_id: str, answer: str) -> bool | None:
        row = rows[sample_id]
        known = Known(row["references"] or (), row["choices"] or (), row["label"])
        return rules[row["task"]].judge(answer, known).correct

    return judge


def check_shown(captures: Iterable[CaptureSpec], rule: Rule | None) -> None:
    """Refuse to show judged answers where it takes a model to judge them: it is asked after all else is captured.

    Raises:
        ConfigError: a capture shows some.
    """
    if rule is not None and rule.asks_model and shows_shots(captures):
        raise ConfigError(
            f"correctness: {rule.name} asks a model, and p_true.few_shot shows answers that are judged before",
            hint="take a rule that compares words, or p_true without shots",
        )
