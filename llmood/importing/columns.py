"""Which column of a file is which key of the row format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmood.errors import ConfigError
from llmood.registry import suggest
from llmood.tasks.row_errors import RowError

Row = Mapping[str, Any]

# What common practice calls a key beside its own name.
ALIASES: dict[str, tuple[str, ...]] = {
    "prompt": ("question", "input"),
    "response": ("answer", "output", "completion"),
    "references": ("reference", "answers", "target"),
    "response_logprobs": ("logprobs",),
    "draws": ("generations",),
    "finish": ("finish_reason",),
}
KEYS = (
    *("id", "prompt", "messages", "response", "references", "choices", "label", "domain", "group"),
    *("parent_id", "language", "meta", "task", "population", "shift", "severity", "family", "split"),
    *("prompt_tokens", "response_tokens", "prompt_logprobs", "response_logprobs"),
    *("response_alone_logprobs", "prompt_response_logprobs", "draws"),
    *("confidence", "correct", "temperature", "top_p", "seed", "finish"),
)
# Their cells are words as they stand, also where these look like JSON.
WORDS = frozenset("id prompt response label domain group parent_id language task family finish".split())


class Columns:
    """Reads the keys of the row format out of a file's rows, and remembers which columns it used.

    Args:
        named: key → column (or path) of the user's own.
        from_text: whether cells are only ever text, as in CSV: what isn't words is read as JSON there.
    """

    def __init__(self, named: Mapping[str, str], *, from_text: bool = False) -> None:
        self._named = named
        self._from_text = from_text
        taken = set(named.values())
        self._places = {
            key: (named[key],)
            if key in named
            else tuple(name for name in (key, *ALIASES.get(key, ())) if name not in taken)
            for key in KEYS
        }
        self.used: dict[str, str] = {}  # key → the column that it was first found in
        self.left: dict[str, None] = {}  # the columns that no key stands for, in the file's order

    def read(self, row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
        """The row's keys, without those that are null, and its other columns.

        Raises:
            RowError: two columns could be the same key, or a path leads into nothing.
        """
        found: dict[str, Any] = {}
        spent: set[str] = set()
        for key, places in self._places.items():
            given = {place: value for place in places if (value := _at(row, place)) is not None}
            if len(given) > 1:
                raise RowError(_ambiguous(key, list(given)))
            spent.update(place if place in row else place.partition(".")[0] for place in places)
            for place, value in given.items():
                found[key] = self._cell(key, value)
                self.used.setdefault(key, place)
        others = {name: value for name, value in row.items() if name not in spent}
        self.left.update(dict.fromkeys(others))
        return found, others

    def _cell(self, key: str, value: Any) -> Any:
        if not self._from_text or key in WORDS or not isinstance(value, str):
            return value
        if key in ("references", "choices") and not value.lstrip().startswith("["):
            return value
        if key == "correct":
            value = value.strip().lower()
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value  # what reads the key says what it should have been


def _ambiguous(key: str, given: Sequence[str]) -> str:
    aside = ", a right answer to 'references'" if key == "response" else ""
    return (
        f"{' and '.join(given)} could both be the {key}: say which (--field {key}={given[0]}), "
        f"or rename the other{aside}"
    )


def named_columns(fields: Sequence[str]) -> dict[str, str]:
    """`--field` options, `key=column` each.

    Raises:
        ConfigError: one is not of that form, or the row format has no such key.
    """
    named: dict[str, str] = {}
    for field in fields:
        key, separator, column = field.partition("=")
        if not separator or not column:
            raise ConfigError(f"--field {field}: is not KEY=COLUMN", hint="as --field prompt=my_column")
        if key not in KEYS:
            raise ConfigError(f"--field {field}: the row format has no '{key}'", hint=suggest(key, KEYS))
        if key in named:
            raise ConfigError(f"--field {field}: '{key}' is {named[key]} already")
        named[key] = column
    return named


def _at(row: Row, place: str) -> Any:
    """The cell of a column, or of a path into one."""
    if place in row or "." not in place:
        return row.get(place)
    value: Any = row
    for part in place.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isdecimal() and len(part) < 6:
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value
