"""Checks that say the same of several populations, in one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, takewhile
from typing import Any

Record = Mapping[str, Any]

FEWEST_SHARED = 4
"""Words that sentences must have in common, to be one: fewer are no common statement."""


def gathered(checks: Sequence[Record]) -> list[dict[str, Any]]:
    """The checks in their order, each with the `tasks` that it is about; those of one kind that say the same are one.

    >>> said = "{} of {} are unscored by knn."
    >>> alike = [
    ...     {
    ...         "code": "unscored",
    ...         "severity": "warning",
    ...         "title": "Unscored",
    ...         "task": task,
    ...         "detail": said.format(n, task),
    ...     }
    ...     for n, task in [(3, "a"), (5, "b")]
    ... ]
    >>> [(one["detail"], one["tasks"]) for one in gathered(alike)]
    [('3 of a and 5 of b are unscored by knn.', ('a', 'b'))]
    """
    found: list[dict[str, Any]] = []
    for _, members in groupby(checks, key=lambda one: (one["severity"], one["code"], one["title"])):
        waiting = list(members)
        while waiting:
            alike, waiting = _alike(waiting)
            tasks = tuple(one["task"] for one in alike if one["task"] is not None)
            found.append({**alike[0], "detail": _one_line([one["detail"] for one in alike]), "tasks": tasks})
    return found


def _alike(checks: list[Record]) -> tuple[list[Record], list[Record]]:
    """The first, with those after it that say the same of other populations; and the rest."""
    same, rest = checks[:1], list[Record]()
    for one in checks[1:]:
        known = {each["task"] for each in same}
        joined = [*(each["detail"] for each in same), one["detail"]]
        says_so = None not in known and one["task"] is not None and one["task"] not in known
        (same if says_so and _shared(joined) >= FEWEST_SHARED else rest).append(one)
    return same, rest


def _shared(details: Sequence[str]) -> int:
    before, after = _ends([detail.split() for detail in details])
    return before + after


def _ends(sentences: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many words all begin with, and how many they end with; a word is left between them."""
    shortest = min(map(len, sentences)) - 1
    before = _equal(sentences, shortest)
    return before, _equal([words[::-1] for words in sentences], shortest - before)


def _equal(sentences: Sequence[Sequence[str]], most: int) -> int:
    columns = zip(*sentences, strict=False)
    return min(most, sum(1 for _ in takewhile(lambda words: len(set(words)) == 1, columns)))


def _one_line(details: Sequence[str]) -> str:
    if len(details) == 1:
        return details[0]
    sentences = [detail.split() for detail in details]
    before, after = _ends(sentences)
    own = [" ".join(words[before : len(words) - after]) for words in sentences]
    listed = "; ".join(own) if any(" and " in one or "," in one for one in own) else _and(own)
    first = sentences[0]
    return " ".join([*first[:before], listed, *first[len(first) - after :]])


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
