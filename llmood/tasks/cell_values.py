"""The cells of a row: what can be used at all, and as what."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from llmood.errors import kind_of
from llmood.tasks.row_errors import RowError
from llmood.tasks.sandbox import MAX_TEXT
from llmood.tasks.votes import votes_of

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,4}")


def is_one_of(cell: Any, values: set[str | None]) -> bool:
    """Whether a filter lets a cell through; null alone asks whether there is none."""
    return cell is None if values == {None} else as_text(cell) in values


def as_list(value: Any) -> list[Any]:
    """A cell as a list: of one, where it is none."""
    return list(value) if isinstance(value, list | tuple) else [value]


def as_text(value: Any) -> str | None:
    """The one spelling of a cell: CSV knows only text, so 1 and "1" are the same label."""
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def attribute(name: str, value: Any) -> Any:
    """A mapped cell as the sample's attribute wants it; null stays null.

    Raises:
        RowError: it is of the wrong type, or empty.
    """
    if value is None or name.startswith("meta."):
        return value
    if name == "severity":
        return _severity(value)
    if name in ("references", "choices"):
        return tuple(_text(name, item) for item in as_list(value))
    if name == "votes":
        return votes_of(value)
    return _text(name, value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | int):
        raise RowError(f"wrong type: {name} is {kind_of(value)}, not text")
    text = str(as_text(value))
    if not text.strip():
        raise RowError(f"{name} is empty")
    return text


def _severity(value: Any) -> int:
    if isinstance(value, bool) or not _WHOLE_NUMBER.fullmatch(str(value)):
        raise RowError(f"wrong type: severity is {str(value)[:40]!r}, not a whole number")
    return int(value)


def refuse_unusable(column: str, value: Any) -> None:
    """Refuse what no tokenizer, Parquet or JSON file downstream could take.

    Raises:
        RowError: there is such a thing in it.
    """
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            _refuse_unusable_text(column, item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise RowError(f"{column}: {item} is not a number that JSON knows")
        elif isinstance(item, Mapping):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            pending += item
        elif item is not None and not isinstance(item, int | float):
            raise RowError(f"wrong type: {column} is {kind_of(item)}")


def _refuse_unusable_text(column: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise RowError(f"{column}: over {MAX_TEXT} characters of text")
    if "\0" in text:
        raise RowError(f"{column}: holds a NUL character")
    if _SURROGATE.search(text):
        raise RowError(f"{column}: holds half of a surrogate pair (broken Unicode)")
