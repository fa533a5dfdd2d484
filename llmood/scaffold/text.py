"""YAML that teaches: written by hand, with comments, around values that can be anything."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import yaml

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")
COMMENT_COLUMN = 43


def quoted(value: str) -> str:
    """A text as one YAML scalar on one line, which reads back as the same text."""
    if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    text: str = yaml.safe_dump(value, default_style='"', width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n")


def flow(values: Mapping[str, str]) -> str:
    """A mapping on one line."""
    return "{" + ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in values.items()) + "}"


def line(text: str, comment: str = "") -> str:
    """A line with its comment where the other comments stand."""
    return f"{text.ljust(COMMENT_COLUMN - 1)} # {comment}" if comment else text


def said(text: str) -> str:
    """A text of the user's within a comment: it can't end the comment."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def join(lines: Sequence[str]) -> str:
    """A file."""
    return "\n".join(lines) + "\n"
