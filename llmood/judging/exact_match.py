"""Exact match: the answer is one of the references, but for case, punctuation, articles and spacing."""

from __future__ import annotations

from collections.abc import Sequence

from llmood.judging.base import Judgement, register
from llmood.judging.normalise import match_key
from llmood.records import EMPTY_ANSWER, NO_REFERENCE


@register()
def exact_match(answer: str, references: Sequence[str]) -> Judgement:
    """The answer is one of the references after `normalise`.

    What normalises to nothing ("+", "the") is compared as it stands: an answer of nothing is wrong.
    """
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    return Judgement.of(match_key(answer) in {match_key(reference) for reference in references})
