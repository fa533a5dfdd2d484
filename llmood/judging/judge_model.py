"""Judge: a language model says whether the answer means what a reference means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmood.config import Models
from llmood.engines.captures import derived_capture
from llmood.judging.base import Judgement, register
from llmood.prompting.judge import JUDGE
from llmood.records import EMPTY_ANSWER, NO_REFERENCE, CaptureSpec

JUDGE_RULE = "judge"
NO_REPLY = "the judge was not asked"
UNREADABLE = "the judge says neither yes nor no"

_WORD = re.compile(r"\b(?:yes|no)\b(?!\s+(?:idea|clue|answer|way))", re.IGNORECASE)
_FIRST = re.compile(r"\W*(yes|no)\b(?!\s+(?:idea|clue|answer|way))", re.IGNORECASE)


def replies_of(models: Models) -> CaptureSpec:
    """The capture of what the judge replies: `models.judge`, or the tuned model where there is none."""
    role = "judge" if models.judge is not None else "tuned"
    return derived_capture("response", role, JUDGE, max_new_tokens=16)


@register()
def judge(answer: str, references: Sequence[str], reply: str | None) -> Judgement:
    """`models.judge` (or the tuned model itself) says that the answer means the same as one of the references."""
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    if reply is None:
        return Judgement.undefined(NO_REPLY)
    verdict = yes_or_no(reply)
    return Judgement.undefined(UNREADABLE) if verdict is None else Judgement.of(verdict)


def yes_or_no(reply: str) -> bool | None:
    """What a reply begins with, else the one of the two words that it holds; None where it holds neither or both.

    >>> [yes_or_no(reply) for reply in ("Yes. There is no difference.", "I say no", "perhaps", "No idea")]
    [True, False, None, None]
    """
    first = _FIRST.match(reply)
    said = {first[1].lower()} if first else {word.lower() for word in _WORD.findall(reply)}
    return said == {"yes"} if len(said) == 1 else None
