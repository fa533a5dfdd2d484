"""Yes or no: the answer says what the reference says, and not both."""

from __future__ import annotations

from collections.abc import Sequence

from llmood.judging.base import Judgement, register
from llmood.judging.normalise import tokens
from llmood.records import EMPTY_ANSWER, NO_REFERENCE

SAYS_NEITHER = "says neither yes nor no"
SAYS_BOTH = "says both yes and no"
NOT_WANTED = "the reference is neither yes nor no"

_VERDICTS = {"true": True, "correct": True, "false": False, "incorrect": False, "untrue": False}
_WORDS = {"yes": True, "no": False}
_FIRST = {"yes": True, "true": True, "no": False, "false": False}  # where an answer begins with it
_JOINS = frozenset(("and", "or"))
_NOT = frozenset(("not", "isnt", "never"))


@register()
def yes_no(answer: str, references: Sequence[str]) -> Judgement:
    """The answer says yes (or true) where the reference does, and no (or false) where that does.

    An answer that begins with one of these words is that. Else "true" and "false" in it decide, turned around behind
    "not", and without them "yes" and "no": in "there is no box, so it is true", no is no answer. One that says neither,
    or both, is wrong. Beside the accuracy stand `yes_rate` and `f1_yes`.
    """
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    wanted = {read_yes_no(reference) for reference in references} - {None}
    if len(wanted) != 1:
        return Judgement.undefined(NOT_WANTED)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    said = _said(answer)
    if len(said) != 1:
        return Judgement.of(False, SAYS_BOTH if said else SAYS_NEITHER)
    return Judgement.of(said == wanted)


def read_yes_no(text: str) -> bool | None:
    """Whether a text says yes; None where it says neither, or both."""
    said = _said(text)
    return said.pop() if len(said) == 1 else None


def _said(text: str) -> set[bool]:
    words = tokens(text)
    if words and words[0] in _FIRST and not _JOINS.intersection(words[1:2]):
        return {_FIRST[words[0]]}
    pairs = list(zip(("", *words), words, strict=False))
    verdicts = {_VERDICTS[word] != (before in _NOT) for before, word in pairs if word in _VERDICTS}
    return verdicts or {_WORDS[word] for word in words if word in _WORDS}
