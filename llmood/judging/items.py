"""Lists in answers: where one item ends and the next begins."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from llmood.judging.normalise import match_key

MAX_ITEMS = 1_000  # of one answer: what is behind them is not read
_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2023\u25e6\u2013]|\(?\d{1,3}[.)])\s+")
_COMMA = re.compile(r",(?!\d{3}(?!\d))")  # 1,234 is one item
_AND = re.compile(r"^(?:and|or|&)\s+", re.IGNORECASE)
_JOINED = re.compile(r"(\S.*\S|\S)\s+(?:and|or|&)\s+(\S.*)", re.IGNORECASE)  # at the last of them
_QUOTES = "\"'\u2018\u2019\u201c\u201d`"


def readings(text: str) -> list[list[str]]:
    """What a text may mean as a list: "Cuba, Trinidad and Tobago" has two items, or three."""
    items = read_items(text)
    joined = _JOINED.fullmatch(items[-1]) if items and _of_json(text.strip()) is None else None
    return [items] if joined is None else [items, [*items[:-1], joined[1], joined[2]]]


def read_items(text: str) -> list[str]:
    """The items of a list, in its order: a JSON list, lines with or without bullets, parts between ; or commas."""
    text = text.strip()
    found = _of_json(text)
    if found is None:
        inner = text[1:-1] if text[:1] + text[-1:] in ("[]", "()", "{}") else text
        found = [_clean(item) for item in _split(inner)]
    return [item for item in found if item][:MAX_ITEMS]


def keys_of(items: Sequence[str]) -> list[str]:
    """What items are compared by."""
    return [match_key(item) for item in items]


def _of_json(text: str) -> list[str] | None:
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    plain = isinstance(found, list) and all(isinstance(item, str | int | float) for item in found)
    return [str(item).strip() for item in found] if plain else None


def _split(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        return [_BULLET.sub("", line) for line in lines]
    return text.split(";") if ";" in text else _COMMA.split(text)


def _clean(item: str) -> str:
    return _AND.sub("", item.strip()).strip().strip(_QUOTES).rstrip(".").strip()
