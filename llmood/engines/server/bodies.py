"""What is sent: the same greedy decoding and the same scoring, in the words that a server takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmood.engines.server.wire import messages_of, text_of

PATHS = {"completions": "/completions", "chat": "/chat/completions"}
Api = Literal["completions", "chat"]
Scoring = Literal["prompt_logprobs", "echo"]


@dataclass(frozen=True, slots=True)
class Form:
    """The words that a server takes.

    Attributes:
        api: which of the two.
        ids: whether prompts go as token ids.
        extras: whether it takes what vLLM has beyond OpenAI's own.
        logprobs: whether it gives log-probabilities of the answer's tokens.
        limit: what it calls the bound of the answer.
    """

    api: Api
    ids: bool
    extras: bool = True
    logprobs: bool = True
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    @property
    def path(self) -> str:
        return PATHS[self.api]


def response_body(
    form: Form,
    model: str,
    ids: Sequence[int],
    *,
    max_tokens: int,
    end_ids: Collection[int] = (),
    turns: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A request for the greedy answer.

    Args:
        turns: of a chat with pictures, in place of the ids.
    """
    body: dict[str, Any] = {"model": model, form.limit: max_tokens, "temperature": 0, "n": 1}
    if form.api == "chat":
        body["messages"] = messages_of(ids) if turns is None else turns
        body |= {"logprobs": True} if form.logprobs else {}
    else:
        body["prompt"] = list(ids) if form.ids else text_of(ids)
        body |= {"logprobs": 1} if form.logprobs else {}
    if form.extras:
        # A model's own generation settings may hold a penalty, which moves what is most likely.
        body |= {"repetition_penalty": 1.0, "return_token_ids": True}
        body |= {"stop_token_ids": sorted(end_ids)} if end_ids else {}
    return body


def scoring_body(how: Scoring, model: str, ids: Sequence[int], *, extras: bool) -> dict[str, Any]:
    """A request for the log-probabilities of the tokens that are sent."""
    body: dict[str, Any] = {"model": model, "prompt": list(ids), "temperature": 0, "n": 1}
    if how == "echo":
        body |= {"echo": True, "max_tokens": 0, "logprobs": 1}
    else:
        body |= {"prompt_logprobs": 0, "max_tokens": 1}  # vLLM makes at least one token
    return body | ({"return_token_ids": True} if extras else {})


def chat_scoring_body(model: str, turns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same of a chat with pictures, by vLLM's own fields: it says which tokens it read."""
    body = {"model": model, "messages": turns, "temperature": 0, "n": 1, "max_tokens": 1}
    return body | {"prompt_logprobs": 0, "return_token_ids": True}
