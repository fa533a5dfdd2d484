"""Alias: the answer is one of the references, or names one within a longer sentence."""

from __future__ import annotations

from collections.abc import Sequence

from llmood.judging.base import Judgement, register
from llmood.judging.exact_match import exact_match
from llmood.judging.normalise import tokens
from llmood.records import EMPTY_ANSWER, NO_REFERENCE

CONTAINED = "named within the answer"


@register()
def alias(answer: str, references: Sequence[str]) -> Judgement:
    """The answer is one of the references, or holds one of them as whole words.

    Lenient: "not Paris" holds "Paris". Use it where references are names and answers are sentences.
    """
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    if exact_match(answer, references).correct:
        return Judgement.of(True)
    said = tokens(answer)
    held = any(_holds(said, tokens(reference)) for reference in references)
    return Judgement.of(held, CONTAINED if held else None)


def _holds(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    starts = range(len(words) - len(wanted) + 1)
    return bool(wanted) and any(words[start : start + len(wanted)] == wanted for start in starts)
