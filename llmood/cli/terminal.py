"""Results on stdout: aligned plain text that pipes, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

# Control characters but for line feed and tab, what turns the reading direction, and halves of surrogate pairs.
_ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with what a terminal would act on (colours, cursor, titles, reversed text) spelled out."""
    return _ACTS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(text: str = "") -> None:
    """A line of results. Texts of data sets and models are in it: nothing of them may act on the terminal."""
    print(printable(text))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; never cut, whatever the terminal."""
    table = [[printable(cell).replace("\n", "\\n") for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_json(value: Any) -> None:
    """One line of JSON; in ASCII, so that no locale and no terminal can spoil it."""
    print(json.dumps(value, allow_nan=False))
