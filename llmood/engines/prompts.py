"""What is sent of a sample: its text, under the chat template where it is a chat, and the ids of that."""

from __future__ import annotations

from collections.abc import Sequence

from llmood.engines.base import Tokenizer
from llmood.errors import ConfigError
from llmood.records import Sample


def is_chat(sample: Sample, chat: bool | None) -> bool:
    """Whether a sample goes through the chat template: as the configuration says, else as its task does."""
    return sample.chat if chat is None else chat


def prompt_text(sample: Sample, tokenizer: Tokenizer, chat: bool | None, place: str) -> str:
    """The text of a sample's prompt, to the letter.

    Raises:
        ConfigError: chat messages, and the tokenizer of `place` has no template for them.
    """
    if not is_chat(sample, chat):
        return sample.text
    if not tokenizer.has_chat_template:
        raise ConfigError(
            f"{place}: its tokenizer has no chat template, and the task {sample.task} is made of chat messages",
            hint="set 'chat: false' to take the messages' plain text",
        )
    return tokenizer.render(sample.messages)


def encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], rendered: Sequence[bool]
) -> list[tuple[int, ...]]:
    """The ids of texts, of which some went through a chat template and some did not."""
    found: list[tuple[int, ...]] = [()] * len(texts)
    for kind in (False, True):
        places = [index for index, is_rendered in enumerate(rendered) if is_rendered is kind]
        ids = tokenizer.encode([texts[index] for index in places], rendered=kind)
        for place, row in zip(places, ids, strict=True):
            found[place] = row
    return found
