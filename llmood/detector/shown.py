"""The pictures of a chat, as clients of OpenAI's protocol send them; nothing is fetched, and no file is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmood.picture_records import Picture
from llmood.tasks.images.cells import pictures_of
from llmood.tasks.row_errors import RowError

KIND = "image_url"
DATA = "data:"


def without_pictures(turns: Any) -> tuple[Any, tuple[Picture, ...]]:
    """The turns without their pictures, and these: those of the user's first turn, wherever they stand in it.

    There a run puts the pictures of a sample, before the words.

    Raises:
        RowError: one can't be read, is no data URL, or stands in another turn.
    """
    if not isinstance(turns, list | tuple):
        return turns, ()
    first = next((place for place, turn in enumerate(turns) if _is_users(turn)), None)
    urls: list[str] = []
    words: list[Any] = []
    for place, turn in enumerate(turns):
        parts = turn.get("content") if isinstance(turn, Mapping) else None
        shown = [part for part in parts if _is_picture(part)] if isinstance(parts, list | tuple) else []
        if not shown:
            words.append(turn)
            continue
        if place != first:
            raise RowError(f"messages[{place}]: has a picture, which only the user's first turn may have")
        urls += [_url(place, part[KIND]) for part in shown]
        words.append({**turn, "content": [part for part in parts or () if not _is_picture(part)]})
    return words, pictures_of(urls, None)


def _is_users(turn: Any) -> bool:
    return isinstance(turn, Mapping) and turn.get("role") == "user"


def _is_picture(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == KIND


def _url(place: int, value: Any) -> str:
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str):
        raise RowError(f"messages[{place}]: has a picture without a url")
    # An address would be fetched, and a path opened, by whoever guards, for whoever asks.
    if url[: len(DATA)].lower() != DATA:
        raise RowError(f"messages[{place}]: a picture has to be a data URL: nothing is fetched")
    return url
