"""Multiple choice: the answer names the right choice, by its letter or by its words, and no other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmood.judging.base import NO_CHOICES, Judgement, register
from llmood.judging.normalise import match_key, tokens
from llmood.records import EMPTY_ANSWER, NO_REFERENCE

NAMES_NONE = "names no choice"
NAMES_SEVERAL = "names several choices"
NO_RIGHT_CHOICE = "the reference is none of the choices"
TWO_RIGHT_CHOICES = "the reference is one choice's letter and another's text"

# A capital that stands alone; "A" and "I" before a small letter are words.
_LETTER = r"(?:[B-HJ-Z](?!\w)|[AI](?!\w|['\u2019]|\s+(?!(?:and|or)\s[A-Z]\b)[a-z]))"
_LETTERS = rf"\(?{_LETTER}\)?(?:\s*(?:,|/|&|and|or)\s*\(?{_LETTER}\)?)*"
_NAMED = (
    re.compile(rf"^\W*({_LETTERS})\W*$"),  # nothing else
    re.compile(rf"^\W*({_LETTERS})\s*(?:[).:\]]|\n)"),  # B) …
    re.compile(rf"(\({_LETTER}\)(?:\s*(?:,|/|&|and|or)\s*\({_LETTER}\))*)"),  # … (B) …
    re.compile(
        rf"\b(?i:answers?|options?|choices?)(?i:\s+(?:is|are))?\s*:?\s*({_LETTERS})"
    ),  # the answer is B
)
_ONE_SMALL = re.compile(r"^\W*([a-z])\W*$")


@register()
def multiple_choice(answer: str, references: Sequence[str], choices: Sequence[str]) -> Judgement:
    """The answer names the right choice, by its letter (A is the first) or by its words, and no other choice.

    A reference is a choice's letter or its words too. An answer that names several choices, or none, is wrong.
    """
    if not choices:
        return Judgement.undefined(NO_CHOICES)
    if not references:
        return Judgement.undefined(NO_REFERENCE)
    right = right_choices(references, choices)
    if isinstance(right, str):
        return Judgement.undefined(right)
    if not answer.strip():
        return Judgement.of(False, EMPTY_ANSWER)
    named = named_choices(answer, choices)
    if len(named) != 1:
        return Judgement.of(False, NAMES_SEVERAL if named else NAMES_NONE)
    return Judgement.of(named <= right)


def named_choices(answer: str, choices: Sequence[str]) -> frozenset[int]:
    """Which choices an answer names, from 0; of choices with the same words, the first."""
    letters = {place for pattern in _NAMED for found in pattern.findall(answer) for place in _places(found)}
    letters |= {ord(letter) - ord("a") for letter in _ONE_SMALL.findall(answer)}
    known = {_first(place, choices) for place in letters if place < len(choices)}
    return frozenset(known | _by_words(answer, choices))


def _places(letters: str) -> list[int]:
    return [ord(letter) - ord("A") for letter in re.findall(_LETTER, letters)]


def _first(place: int, choices: Sequence[str]) -> int:
    words = [match_key(choice) for choice in choices]
    return words.index(words[place])


def _by_words(answer: str, choices: Sequence[str]) -> set[int]:
    """The choices whose words stand in the answer, the longest first: "light yellow" is not "yellow" as well."""
    keys = [match_key(choice) for choice in choices]
    whole = match_key(answer)
    if whole in keys:
        return {keys.index(whole)}
    words: list[str | None] = list(tokens(answer))
    found = set()
    for choice in sorted(choices, key=lambda choice: -len(tokens(choice))):
        wanted = list(tokens(choice))
        for start in range(len(words) - len(wanted) + 1) if wanted else ():
            if words[start : start + len(wanted)] == wanted:
                words[start : start + len(wanted)] = [None] * len(wanted)
                found.add(keys.index(match_key(choice)))
    return found


def right_choices(references: Sequence[str], choices: Sequence[str]) -> frozenset[int] | str:
    """The right choices, from 0, or why they can't be told."""
    keys = [match_key(choice) for choice in choices]
    right: set[int] = set()
    for reference in references:
        letter = reference.strip()
        by_letter = (
            {_first(ord(letter) - ord("A"), choices)}
            if len(letter) == 1 and "A" <= letter <= "Z" and ord(letter) - ord("A") < len(choices)
            else set()
        )
        by_words = {keys.index(match_key(reference))} if match_key(reference) in keys else set()
        if by_letter and by_words and by_letter != by_words:
            return TWO_RIGHT_CHOICES
        right |= by_letter | by_words
    return frozenset(right) or NO_RIGHT_CHOICE
