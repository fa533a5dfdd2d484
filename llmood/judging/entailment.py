"""Entailment: the answer follows from a reference, and the reference from the answer."""

from __future__ import annotations

from collections.abc import Sequence

from llmood.judging.base import Judgement, register
from llmood.records import EMPTY_ANSWER, NO_REFERENCE

NO_VERDICT = "the inference model was not asked"


@register()
def entailment(answer: str, references: Sequence[str], entailed: bool | None) -> Judgement:
    """`models.nli` finds that the answer and one of the references follow from each other."""
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    return Judgement.undefined(NO_VERDICT) if entailed is None else Judgement.of(entailed)
