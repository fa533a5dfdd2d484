"""Pictures to a server: parts of a chat's messages, each a PNG made anew of the pixels that a sample is known by.

No address is ever sent or fetched, and no file as it came: what is hidden in one (its maker, a place) stays here. With
messages a server takes no token ids, so it applies its own template; where it says what it read, that is compared.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from llmood.engines.base import Tokenizer
from llmood.engines.opened_pictures import load_all
from llmood.engines.pictures import PictureTokenizer
from llmood.engines.server.answers import AnswerError, check_sent, read, scored
from llmood.engines.server.bodies import Form, chat_scoring_body, response_body
from llmood.engines.server.client import Client
from llmood.engines.server.probe import ANSWER, FORM_REFUSED, LADDER, Abilities
from llmood.engines.server.problems import RequestError
from llmood.engines.server.wire import messages_of
from llmood.errors import ConfigError
from llmood.picture_records import Picture
from llmood.records import Message, parts_of
from llmood.tasks.row_errors import RowError

MOST_BYTES = 20 * 2**20  # of one PNG; vendors take no more
PROBE_SIDE = 64
QUESTION = "What is shown?"
NO_CHAT = "pictures go in a chat, and engine.server.api is 'completions'"
NO_PROCESSOR = "engine.server.tokenizer holds no processor of pictures beside its tokenizer"
NO_TEMPLATE = "engine.server.tokenizer has no chat template, and pictures go in a chat"
NO_IDS_BESIDE = "beside a picture a server takes no token ids, and an answer is its ids"
NOT_DERIVED = "a server is shown no picture in a derived prompt"
NO_WORD = "it doesn't say which tokens it read"

Turns = list[dict[str, Any]]


class TooLargeError(RowError):
    """A picture whose pixels make more bytes than are sent."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a server can do for one model with pictures.

    Attributes:
        form: the chat that it takes them in.
        refused, no_scoring: why it takes none, and why it scores no prompt with one; None where it does.
    """

    form: Form
    refused: str | None = None
    no_scoring: str | None = None


def turns_of(messages: Sequence[Message], pictures: Sequence[Picture]) -> Turns:
    """Messages as a chat takes them, with the pictures where every engine has them.

    Raises:
        RowError: a picture is gone, another by now, or too large.
    """
    return shown([data_url(image) for image in load_all(pictures)], messages)


def shown(urls: Sequence[str], messages: Sequence[Message]) -> Turns:
    """The turns; one without a picture stays plain words, which every server takes."""
    turns: Turns = []
    for turn in parts_of(messages, urls):
        parts = [
            {"type": "image_url", "image_url": {"url": part["image"]}} if part["type"] == "image" else part
            for part in turn["content"]
        ]
        words = [str(part["text"]) for part in turn["content"] if part["type"] == "text"]
        turns.append({**turn, "content": "".join(words) if len(words) == len(parts) else parts})
    return turns


def data_url(image: Image.Image) -> str:
    """The pixels as a PNG in a data URL.

    Raises:
        TooLargeError: that has more bytes than are sent.
    """
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    if file.tell() > MOST_BYTES:
        size = f"{image.width} × {image.height}"
        raise TooLargeError(f"picture: {size} pixels make a PNG of over {MOST_BYTES >> 20} MiB")
    return "data:image/png;base64," + base64.b64encode(file.getbuffer()).decode("ascii")


def messages_sent(ids: Sequence[int], messages: Sequence[Message]) -> tuple[Message, ...]:
    """A request's messages: its own, or those that its "ids" are the bytes of."""
    if messages:
        return tuple(messages)
    return tuple(Message(turn["role"], turn["content"]) for turn in messages_of(ids))


async def probe_pictures(client: Client, abilities: Abilities, tokenizer: Tokenizer) -> Sight:
    """Ask a model about a small picture, and for the log-probabilities of that prompt.

    Raises:
        RequestError: the server gives no answer.
    """
    model, by_ids = abilities.model, abilities.form.ids
    forms = [Form("chat", False, extras, logprobs) for extras, logprobs in LADDER]
    if not by_ids and abilities.form.api == "completions":
        return Sight(forms[-1], NO_CHAT, NO_CHAT)
    image, question = _probe_picture(), [Message("user", QUESTION)]
    ids: tuple[int, ...] | None = None
    if by_ids:
        if not isinstance(tokenizer, PictureTokenizer):
            return Sight(forms[-1], NO_PROCESSOR, NO_PROCESSOR)
        if not tokenizer.has_chat_template:
            return Sight(forms[-1], NO_TEMPLATE, NO_TEMPLATE)
        ids = tokenizer.place(tokenizer.render(question, 1), [image], rendered=True).token_ids
    else:
        forms += [replace(form, limit="max_completion_tokens") for form in forms[1:]]
    turns = shown([data_url(image)], question)
    refusal = ""
    for form in forms:
        body = response_body(form, model, (), max_tokens=ANSWER, turns=turns)
        try:
            choice, counted = read(await client.ask(form.path, body))
            if ids is not None:
                check_sent(choice, counted, ids)
        except AnswerError as error:
            return Sight(form, f"it gives {error}", f"it gives {error}")
        except RequestError as problem:
            if problem.status not in FORM_REFUSED:
                raise
            refusal = str(problem)
            continue
        if ids is None:
            return Sight(form, None, abilities.no_scoring)
        if choice.prompt_token_ids is None:
            return Sight(form, None, NO_WORD)
        return Sight(form, None, await _why_unscored(client, form, model, ids, turns))
    return Sight(forms[-1], refusal, refusal)


async def _why_unscored(
    client: Client, form: Form, model: str, ids: Sequence[int], turns: Turns
) -> str | None:
    try:
        choice, counted = read(await client.ask(form.path, chat_scoring_body(model, turns)))
        check_sent(choice, counted, ids)
        scored("prompt_logprobs", choice, ids)
    except AnswerError as error:
        return f"with 'prompt_logprobs' in a chat it gives {error}"
    except RequestError as problem:
        if problem.status not in FORM_REFUSED:
            raise
        return f"with 'prompt_logprobs' in a chat {problem}"
    return None


def _probe_picture() -> Image.Image:
    """A red square on white: something to see, the same each time."""
    image = Image.new("RGB", (PROBE_SIDE, PROBE_SIDE), "white")
    image.paste((200, 30, 30), (16, 16, 48, 48))
    return image


class ServedPictureTokenizer(PictureTokenizer):
    """A served model's tokenizer with its processor: what the server's own should make of a chat with a picture."""

    def plain(self, text: str, pictures: int, *, rendered: bool) -> tuple[int, ...]:
        """As any picture tokenizer's.

        Raises:
            ConfigError: the text is no chat: a server takes a picture in nothing else.
        """
        if not rendered:
            raise ConfigError(
                "chat: to a server a picture goes in a chat, and this task's prompts are plain texts",
                hint="set 'chat: true'",
            )
        return super().plain(text, pictures, rendered=rendered)
