"""Texts of data sets and models as Markdown that says them and does nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmood.clean import clean

# A colon only where it makes an address a link.
_MARKUP = re.compile(r"[\\`*_{}\[\]()#|~$!@^=]|:(?=//)")
_OPENING = re.compile(r"^([-+]|\d+[.)])(?=\s|$)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_TICKS = re.compile(r"`+")


def one_line(text: str) -> str:
    """The text without line breaks or characters that no page can hold."""
    return " ".join(clean(text).split())


def plain(text: str) -> str:
    r"""Words that stay words: no markup, no HTML, no link, on one line.

    >>> plain("- a *b* <i>")
    '\\- a \\*b\\* &lt;i&gt;'
    """
    shown = "".join(_ENTITIES.get(character, character) for character in one_line(text))
    shown = _MARKUP.sub(lambda found: f"\\{found[0]}", shown)
    # What would open a list: the mark itself, or the point behind a number.
    return _OPENING.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", shown)


def code(text: str) -> str:
    """The text to the letter, in a code span; fit for a table's cell."""
    shown = one_line(text).replace("|", "\\|")
    fence = "`" * (max(map(len, _TICKS.findall(shown)), default=0) + 1)
    padding = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def block(text: str, language: str = "") -> str:
    """The text to the letter, over lines."""
    shown = clean(text).strip("\n")
    fence = "`" * max(3, max(map(len, _TICKS.findall(shown)), default=0) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """A table of cells that are Markdown already; with `numbers`, the columns behind the first stand right."""
    ruler = ["---", *["---:" if numbers else "---"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ruler, *rows))
