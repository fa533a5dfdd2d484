"""Long lists on stdout: variants on one line, and lines folded to the terminal; what is piped stays a line a row.

A list whose rows are too long for any reader is folded there too, to a width that it names.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Hashable, Mapping, Sequence
from itertools import product

from llmood.cli.terminal import print_table, printable, say

INDENT = " " * 4


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, piped_width: int | None = None
) -> None:
    """A table; on a terminal that is too narrow for it, the columns that don't fit go below their row, wrapped.

    Args:
        piped_width: what it is folded to where it goes to no terminal; None: a line a row, however long.
    """
    shown = sys.stdout is not None and sys.stdout.isatty()  # None: whoever started llmood closed it
    width = shutil.get_terminal_size().columns if shown else piped_width
    fitting = None if width is None else _fitting([header, *rows], width)
    if width is None or fitting is None or fitting == len(header):
        print_table(header, rows)
        return
    widths = [max(len(printable(row[column])) for row in (header, *rows)) for column in range(fitting)]
    for row in (header, *rows):
        cells = [printable(cell).replace("\n", "\\n") for cell in row]
        say("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip())
        for line in (line for cell in cells[fitting:] if cell != "–" for line in _wrapped(cell, width)):
            say(line)


def _fitting(table: Sequence[Sequence[str]], width: int) -> int:
    """How many columns, the first at least, stand side by side in so many characters."""
    used = 0
    for place, column in enumerate(zip(*table, strict=True)):
        used += max(len(printable(cell)) for cell in column) + (2 if place else 0)
        if used > width:
            return max(1, place)
    return len(table[0])


def _wrapped(cell: str, width: int) -> list[str]:
    return textwrap.wrap(
        cell,
        width,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def families(entries: Mapping[str, Hashable]) -> dict[str, str]:
    """Ids that differ in their suffixes alone, as one id and those suffixes.

    Args:
        entries: id → what variants of one scorer have in common; ids with another such thing stand apart.

    >>> families({"a": 1, "a.mean": 1, "a.base": 1, "a.base.mean": 1, "b": 2})
    {'a': '[.base][.mean]', 'b': ''}
    """
    found: dict[tuple[str, Hashable], list[str]] = {}
    for name, common in entries.items():
        stem, dot, rest = name.partition(".")
        # Without the plain one there is nothing that its variants could be told from.
        key = (stem, common) if entries.get(stem) == common else (name, common)
        found.setdefault(key, []).append(dot + rest if key[0] == stem else "")
    return {name: _pattern(suffixes) for (name, _), suffixes in found.items()}


def _pattern(suffixes: Sequence[str]) -> str:
    """The suffixes as optional slots `[.a|.b][.c]` where every combination exists, or all of them."""
    split = [suffix.split(".")[1:] for suffix in suffixes]
    slots: list[list[str]] = []
    for part in sorted({part for parts in split for part in parts}, key=lambda part: _order(part, split)):
        together = {other for parts in split if part in parts for other in parts}
        slot = next((slot for slot in slots if not together & set(slot)), None)
        slots.append([part]) if slot is None else slot.append(part)
    combined = [
        "".join(f".{part}" for part in chosen if part) for chosen in product(*(["", *s] for s in slots))
    ]
    if sorted(combined) != sorted(suffixes):
        return ", ".join(suffix for suffix in suffixes if suffix)
    return "".join(f"[{'|'.join(f'.{part}' for part in slot)}]" for slot in slots)


def _order(part: str, split: Sequence[Sequence[str]]) -> tuple[int, str]:
    """Parts that follow others stand behind them."""
    return max(parts.index(part) for parts in split if part in parts), part
