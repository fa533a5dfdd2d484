"""How raters voted on a row: a mapping of answers to counts, or a list of answers, one a rater."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from llmood.errors import kind_of
from llmood.tasks.row_errors import RowError

MOST = 1_000_000  # raters of one row
FORMS = "not {answer: votes}, nor a list of answers"


def votes_of(value: Any) -> dict[str, int]:
    """The votes of a cell; a text is read as JSON, for files that know nothing else.

    >>> votes_of({"true": 4, "false": 1}), votes_of(["a", "b", "a"]), votes_of('{"yes": 2}')
    ({'true': 4, 'false': 1}, {'a': 2, 'b': 1}, {'yes': 2})

    Raises:
        RowError: these are no votes.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise RowError(f"votes: {value[:40]!r} is no JSON") from None
    if isinstance(value, list | tuple):
        return dict(Counter(_answer(each) for each in value))
    if not isinstance(value, Mapping):
        raise RowError(f"wrong type: votes is {kind_of(value)}, {FORMS}")
    # Of a column of structs, what a row hasn't is null.
    return {_answer(answer): _count(answer, count) for answer, count in value.items() if count is not None}


def _answer(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise RowError(f"wrong type: votes holds {kind_of(value)}, {FORMS}")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _count(answer: Any, value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # In this order: neither infinity nor NaN is a whole number to ask for.
    if not number or not 0 <= value <= MOST or value != int(value):
        raise RowError(f"votes: {str(value)[:40]!r} for {str(answer)[:40]!r} is no number of raters")
    return int(value)
