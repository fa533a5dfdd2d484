"""Prompts for servers whose tokenizer we don't have: the "ids" are the bytes of what is sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llmood.engines.base import Pictures
from llmood.engines.placing import Placed
from llmood.errors import ConfigError
from llmood.identity import digest
from llmood.records import Message

CHAT = 256  # stands before the JSON of messages, where a plain text has nothing


class WireTokenizer:
    """UTF-8 bytes of the JSON of the messages, or of a plain text. No token of any model: only responses can be asked.

    Args:
        chat: whether the server takes messages.
    """

    image_token = image_text = ""  # pictures are no part of the bytes: they are put in when a request is sent
    prefix_ids: tuple[int, ...] = ()
    end_ids: frozenset[int] = frozenset()

    def __init__(self, *, chat: bool) -> None:
        self.has_chat_template = chat
        self.identity = digest(["wire", chat])

    def render(self, messages: Sequence[Message], pictures: int = 0) -> str:
        """The messages as JSON, without pictures: those stand before the words of the user's first turn."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return json.dumps(turns, ensure_ascii=False)

    def encode(self, texts: Sequence[str], *, rendered: bool) -> list[tuple[int, ...]]:
        mark = (CHAT,) if rendered else ()
        return [(*mark, *text.encode("utf-8", "replace")) for text in texts]

    def refuses(self, pictures: int) -> str | None:
        """The server says itself what is too many for it."""
        return None

    def place_shown(self, text: str, pictures: Pictures, *, rendered: bool) -> Placed:
        """The bytes of a text; pictures have no places among them."""
        return Placed(self.encode([text], rendered=rendered)[0], ())

    def decode(self, ids: Sequence[int]) -> str:
        # Ids that a server gives are of a tokenizer that isn't here.
        raise ConfigError("engine.server.tokenizer: is needed to read token ids")


def text_of(ids: Sequence[int]) -> str:
    """The plain text that became these ids."""
    return bytes(ids).decode("utf-8")


def messages_of(ids: Sequence[int]) -> list[dict[str, Any]]:
    """The messages that became these ids; a plain text is one turn of the user."""
    if ids and ids[0] == CHAT:
        return list(json.loads(text_of(ids[1:])))
    return [{"role": "user", "content": text_of(ids)}]
