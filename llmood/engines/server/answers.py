"""What a server's answers say, read strictly: exactly one log-probability for every token that was sent, or none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from llmood.engines.base import Captured, Tokenizer
from llmood.engines.server.bodies import Scoring
from llmood.records import FAILED

LEAST = -9999.0  # what vLLM writes for minus infinity, which JSON can't hold
NOT_LETTERS = re.compile(r"[\W_]+")


class AnswerError(Exception):
    """An answer that isn't what was asked for; its message follows "it gave"."""


class Entry(BaseModel):
    """One token of `prompt_logprobs`."""

    logprob: float
    decoded_token: str | None = None


class Chosen(BaseModel):
    """One token of a chat answer's log-probabilities."""

    token: str = ""
    logprob: float


class Logprobs(BaseModel):
    """Of completions the flat lists, of a chat the list of tokens."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    content: list[Chosen] | None = None


class ChatMessage(BaseModel):
    """The turn that a chat answers with."""

    content: str | None = None


class Choice(BaseModel):
    """One choice, of either API."""

    text: str | None = None
    message: ChatMessage | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None
    prompt_logprobs: list[dict[str, Entry] | None] | None = None

    @property
    def content(self) -> str | None:
        """The words of the answer."""
        return self.message.content if self.message is not None else self.text

    @property
    def chosen(self) -> list[float] | None:
        """The log-probability of each token of the answer, where the server gives them all."""
        if self.logprobs is None:
            return None
        if self.logprobs.content is not None:
            return [_finite(one.logprob) for one in self.logprobs.content]
        values = self.logprobs.token_logprobs
        return None if values is None or None in values else [_finite(v) for v in values if v is not None]

    @property
    def tokens(self) -> list[str]:
        """The answer's tokens as texts, where the server says them."""
        if self.logprobs is None:
            return []
        if self.logprobs.content is not None:
            return [one.token for one in self.logprobs.content]
        return self.logprobs.tokens or []


class Usage(BaseModel):
    """What the server counted."""

    prompt_tokens: int | None = None


class Answer(BaseModel):
    """What is read of an answer."""

    choices: list[Choice]
    usage: Usage | None = None
    # Of a chat vLLM says them here.
    prompt_token_ids: list[int] | None = None
    prompt_logprobs: list[dict[str, Entry] | None] | None = None


def read(answer: Mapping[str, Any]) -> tuple[Choice, int | None]:
    """The one choice of an answer, and how many prompt tokens the server counted.

    Raises:
        AnswerError: it has another form.
    """
    try:
        found = Answer.model_validate(answer)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise AnswerError(f"an answer of another form ({place})") from None
    if len(found.choices) != 1:
        raise AnswerError(f"{len(found.choices)} answers to one request")
    choice = found.choices[0]
    if choice.prompt_token_ids is None:
        choice.prompt_token_ids = found.prompt_token_ids
    if choice.prompt_logprobs is None:
        choice.prompt_logprobs = found.prompt_logprobs
    return choice, found.usage.prompt_tokens if found.usage else None


def check_sent(choice: Choice, counted: int | None, ids: Sequence[int]) -> None:
    """Make sure that the server read the very tokens that were sent, as far as it says.

    Raises:
        AnswerError: it read others.
    """
    if choice.prompt_token_ids is not None and choice.prompt_token_ids != list(ids):
        raise AnswerError(f"other tokens back than the {len(ids)} that were sent")
    if counted is not None and counted != len(ids):
        raise AnswerError(f"a count of {counted} tokens for the {len(ids)} that were sent")


def scored(how: Scoring, choice: Choice, ids: Sequence[int]) -> NDArray[np.float32]:
    """The log-probabilities of the tokens after the first.

    Raises:
        AnswerError: it isn't exactly one for every token that was sent.
    """
    values = _of_field(choice, ids) if how == "prompt_logprobs" else _of_echo(choice, ids)
    found = np.array([_finite(value) for value in values], dtype=np.float32)
    if np.isnan(found).any():
        raise AnswerError("a log-probability that is not a number")
    return found


def _of_field(choice: Choice, ids: Sequence[int]) -> list[float]:
    """From vLLM's `prompt_logprobs`: each position names its token, so a wrong one shows."""
    entries = choice.prompt_logprobs
    if entries is None:
        raise AnswerError("no log-probabilities of the prompt")
    _check_length(len(entries), ids)
    values = []
    for position, token in enumerate(ids[1:], start=1):
        entry = (entries[position] or {}).get(str(token))
        if entry is None:
            raise AnswerError(f"no log-probability of token {position + 1} of the {len(ids)} that were sent")
        values.append(entry.logprob)
    return values


def _of_echo(choice: Choice, ids: Sequence[int]) -> list[float]:
    """From an echo of the prompt."""
    values = choice.logprobs.token_logprobs if choice.logprobs else None
    if values is None:
        raise AnswerError("no log-probabilities of the prompt")
    _check_length(len(values), ids)
    known = [value for value in values[1:] if value is not None]
    if len(known) < len(values) - 1:
        raise AnswerError(
            f"no log-probability of token {values.index(None, 1) + 1} of the {len(ids)} that were sent"
        )
    return known


def response(choice: Choice, tokenizer: Tokenizer | None) -> Captured:
    """The answer: its generated ids where the server gives them, never re-tokenised.

    Args:
        tokenizer: what its ids are read with; None to take the server's text as it is.

    Raises:
        AnswerError: it was cut for another reason than its length, or its numbers don't fit its tokens.
    """
    if choice.finish_reason not in ("stop", "length"):
        raise AnswerError(f"an answer that ended by {_word(choice.finish_reason)}")
    ids, values = choice.token_ids, choice.chosen
    if ids is not None and values is not None and len(ids) != len(values):
        raise AnswerError(f"{len(values)} log-probabilities of an answer of {len(ids)} tokens")
    if values is not None and np.isnan(values).any():
        raise AnswerError("a log-probability that is not a number")
    text = tokenizer.decode(ids) if tokenizer is not None and ids is not None else choice.content or ""
    return Captured({"text": text, "token_ids": ids, "logprobs": values, "finish": choice.finish_reason})


def read_as(choice: Choice, start: int) -> str | None:
    """The letters of what the server read from a position on, where it says them."""
    words: list[str | None] = []
    if choice.prompt_logprobs is not None:
        entries = [next(iter((entry or {}).values()), None) for entry in choice.prompt_logprobs[start:]]
        words = [entry.decoded_token if entry else None for entry in entries]
    elif choice.logprobs is not None and choice.logprobs.tokens is not None:
        words = list(choice.logprobs.tokens[start:])
    told = [word for word in words if word is not None and not word.startswith("token_id:")]
    return letters("".join(told)) or None if len(told) == len(words) else None


def letters(text: str) -> str:
    """A text without what tokenizers spell differently: spaces, their stand-ins, punctuation.

    >>> letters("▁the Ġfox, 3")
    'thefox3'
    """
    return NOT_LETTERS.sub("", text.replace("Ġ", " "))


def failed(error: AnswerError) -> Captured:
    """What becomes of a sample whose answer can't be used."""
    return Captured(status=FAILED, reason=f"the server gave {error}")


def _check_length(count: int, ids: Sequence[int]) -> None:
    if count != len(ids):
        raise AnswerError(f"log-probabilities of {count} tokens for the {len(ids)} that were sent")


def _finite(value: float) -> float:
    return -np.inf if value <= LEAST else value


def _word(reason: str | None) -> str:
    """A finish reason fit to be shown: the server's own, where it is a word."""
    return f"'{reason}'" if reason and re.fullmatch(r"\w{1,40}", reason) else "nothing that it names"
