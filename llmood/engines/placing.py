"""Prompts with pictures: where these stand among the tokens, and what stands for them in a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from llmood.engines.base import Pictures, Tokenizer
from llmood.records import Message
from llmood.tasks.row_errors import RowError

Places = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A prompt's ids with its pictures' places in them, (start, end), in their order."""

    token_ids: tuple[int, ...]
    places: Places


class SeeingTokenizer(Protocol):
    """What prompts with pictures are made by."""

    @property
    def image_token(self) -> str: ...

    @property
    def image_text(self) -> str: ...

    def render(self, messages: Sequence[Message], pictures: int = 0) -> str: ...

    def refuses(self, pictures: int) -> str | None: ...

    def place_shown(self, text: str, pictures: Pictures, *, rendered: bool) -> Placed: ...


def placing(tokenizer: Tokenizer) -> SeeingTokenizer:
    """The same, where pictures were let through because it can place them."""
    if not hasattr(tokenizer, "place_shown"):
        raise TypeError(f"{type(tokenizer).__name__} takes no pictures")
    return cast("SeeingTokenizer", tokenizer)


def picture_text(
    tokenizer: Tokenizer, messages: Sequence[Message], text: str, pictures: int, *, chat: bool
) -> str:
    """The text of a prompt, with what stands for the pictures that it shows.

    Args:
        messages: its turns, for a chat template.
        text: all of it, where there is none.
    """
    if not pictures:
        return tokenizer.render(messages) if chat else text
    reader = placing(tokenizer)
    return reader.render(messages, pictures) if chat else reader.image_text * pictures + text


def with_marks(ids: Sequence[int], places: Places, marks: tuple[int, int]) -> Places:
    """The places of pictures together with the marks before and after each.

    >>> with_marks([5, 1, 9, 9, 2, 6], ((2, 4),), (1, 2))
    ((1, 5),)

    Raises:
        RowError: a picture stands without them, and the model couldn't tell where one ends.
    """
    before, after = marks
    for start, stop in places:
        if not (start and ids[start - 1] == before and stop < len(ids) and ids[stop] == after):
            raise RowError("the prompt shows a picture without the marks that its model has around each")
    return tuple((start - 1, stop + 1) for start, stop in places)


def without_marks(places: Places) -> Places:
    """The same the other way round."""
    return tuple((start + 1, stop - 1) for start, stop in places)
