"""Exact string: the answer is one of the references, but for case and the spaces around it."""

from __future__ import annotations

from collections.abc import Sequence

from llmood.judging.base import Judgement, register
from llmood.judging.normalise import compatible
from llmood.records import EMPTY_ANSWER, NO_REFERENCE


@register()
def exact_string(answer: str, references: Sequence[str]) -> Judgement:
    """The answer is one of the references letter by letter, but for case and spaces: "A-1" is not "A1".

    Source: the string score of RealCQA (Ahmed et al., ICDAR 2023), an edit distance of 0.
    """
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    return Judgement.of(_letters(answer) in map(_letters, references))


def _letters(text: str) -> str:
    return " ".join(compatible(text).casefold().split())
