"""What is sent of a sample: its text, under the chat template where it is a chat, the ids of that, and its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmood.engines.base import Pictures, Tokenizer
from llmood.engines.opened_pictures import UnreadableError
from llmood.engines.pictures import PictureTokenizer
from llmood.engines.placing import Placed, picture_text, placing
from llmood.errors import ConfigError
from llmood.records import EMPTY_ANSWER, FAILED, UNSCORED, CaptureSpec, Message, Part, Sample, Status
from llmood.tasks.row_errors import RowError


@dataclass(frozen=True, slots=True)
class Unmade:
    """Why a sample has no observation of a capture."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A tokenised sample, with what prompts are derived from.

    Attributes:
        chat: whether its messages went through the chat template.
        pictures: what is shown with it; `places` are their tokens, as (start, end).
        unmade: why it can't be sent to a model.
        under: the same under each control that a capture may name.
    """

    sample_id: str
    token_ids: tuple[int, ...]
    split: Part = "test"
    messages: tuple[Message, ...] = ()
    chat: bool = False
    references: tuple[str, ...] = ()
    pictures: Pictures = ()
    places: tuple[tuple[int, int], ...] = ()
    unmade: Unmade | None = None
    under: Mapping[str, Prompt] = field(default_factory=dict, repr=False)

    @property
    def why_unsent(self) -> Unmade:
        """Why it has no ids."""
        return self.unmade or Unmade(UNSCORED, "the tokenizer makes no token of this text")

    @property
    def text(self) -> str:
        """The words of its messages, without template."""
        return "\n".join(message.content for message in self.messages)


def is_chat(sample: Sample, chat: bool | None) -> bool:
    """Whether a sample goes through the chat template: as the configuration says, else as its task does."""
    return sample.chat if chat is None else chat


def prompt_text(sample: Sample, tokenizer: Tokenizer, chat: bool | None, place: str) -> str:
    """The text of a sample's prompt, to the letter.

    Raises:
        ConfigError: chat messages, and the tokenizer of `place` has no template for them.
    """
    through = is_chat(sample, chat)
    if through and not tokenizer.has_chat_template:
        raise ConfigError(
            f"{place}: its tokenizer has no chat template, and the task {sample.task} is made of chat messages",
            hint="set 'chat: false' to take the messages' plain text",
        )
    return picture_text(tokenizer, sample.messages, sample.text, len(sample.pictures), chat=through)


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


def read_prompts(
    tokenizer: Tokenizer, samples: Sequence[Sample], texts: Sequence[str], rendered: Sequence[bool]
) -> list[Placed | Unmade]:
    """The ids of samples' texts, with the places of their pictures; or why a sample can't be sent."""
    words = [index for index, sample in enumerate(samples) if not sample.pictures]
    ids = encode_texts(tokenizer, [texts[index] for index in words], [rendered[index] for index in words])
    found: dict[int, Placed | Unmade] = {
        index: _of_words(tokenizer, texts[index], row) for index, row in zip(words, ids, strict=True)
    }
    for index, sample in enumerate(samples):
        if sample.pictures:
            found[index] = place_pictures(tokenizer, texts[index], sample.pictures, rendered=rendered[index])
    return [found[index] for index in range(len(samples))]


def place_pictures(tokenizer: Tokenizer, text: str, pictures: Pictures, *, rendered: bool) -> Placed | Unmade:
    """The ids of a text that holds an image token for each of its pictures; or why it can't be sent."""
    reader = placing(tokenizer)
    refused = reader.refuses(len(pictures))
    if refused is not None:
        return Unmade(UNSCORED, refused)
    try:
        return reader.place_shown(text, pictures, rendered=rendered)
    except RowError as error:
        return Unmade(FAILED if isinstance(error, UnreadableError) else UNSCORED, str(error))


def answer_of(spec: CaptureSpec, response: Mapping[str, Any] | Unmade | None) -> Mapping[str, Any] | Unmade:
    """The answer that a capture is made of; or why there is none, or none with words.

    Raises:
        ValueError: the answer was not asked for before.
    """
    if response is None:
        raise ValueError(f"{spec.id} was asked for before the response it needs")
    # An answer of the end token alone says nothing: it has no likelihood worth comparing.
    if not isinstance(response, Unmade) and not response["text"].strip():
        return Unmade(UNSCORED, EMPTY_ANSWER)
    return response


def over_context(needed: int, limit: int) -> Unmade:
    """Why so many tokens can't be sent to a model."""
    return Unmade(UNSCORED, f"{needed} tokens are over the context of {limit}")


def ids_of(read: Placed | Unmade) -> tuple[int, ...]:
    """The ids of what became a prompt; none of what didn't."""
    return read.token_ids if isinstance(read, Placed) else ()


def _of_words(tokenizer: Tokenizer, text: str, ids: tuple[int, ...]) -> Placed | Unmade:
    if isinstance(tokenizer, PictureTokenizer) and tokenizer.image_token in text:
        return Unmade(UNSCORED, f"the text holds {tokenizer.image_token}, and there is no picture")
    return Placed(ids, ())
