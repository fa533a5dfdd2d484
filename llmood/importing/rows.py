"""From a row to a record: what one prompt was, what was said to it, and the numbers that came with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmood.importing import values
from llmood.importing.scored import Answer, Scored, check_answer, read_scored
from llmood.importing.values import Logprobs, Tokens
from llmood.records import Message
from llmood.tasks.cell_values import refuse_unusable
from llmood.tasks.chat import ChatColumn
from llmood.tasks.row_errors import RowError

DRAW_KEYS = {
    "text": ("text", "response", "content"),
    "token_ids": ("token_ids", "tokens"),
    "logprobs": ("logprobs",),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "seed": ("seed",),
    "finish": ("finish", "finish_reason"),
}
MAX_DRAWS = 32_767  # an int16's


@dataclass(frozen=True, slots=True)
class Record:
    """A row that was understood.

    Attributes:
        text: the prompt as the model read it; `messages` are its turns.
        attributes: of `Sample`, those that the row gives.
        scored: by model role and target (`prompt`, `response` alone, `prompt_response`).
    """

    text: str
    messages: tuple[Message, ...]
    id: str | None
    attributes: Mapping[str, Any]
    prompt_tokens: Tokens | None
    response: Answer | None
    draws: tuple[Answer, ...]
    scored: Mapping[tuple[str, str], Scored]


def read_record(row: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> Record:
    """Understand a row.

    Args:
        row: its keys (`Columns.read`).
        kept: further columns, for `meta`.

    Raises:
        RowError: what is wrong with it.
    """
    messages, text, said = _prompt(row)
    response = _response(row, said)
    asked, scored = read_scored(row, response)
    name = values.word("id", row["id"]) if "id" in row else None
    draws = _draws(row["draws"]) if "draws" in row else ()
    return Record(text, messages, name, _attributes(row, name, kept or {}), asked, response, draws, scored)


def _prompt(row: Mapping[str, Any]) -> tuple[tuple[Message, ...], str, str | None]:
    """The turns, the text, and what the assistant's last turn says."""
    text = values.text("prompt", row["prompt"]) if "prompt" in row else None
    if text is not None and not text.strip():
        raise RowError("no text: the prompt is blank")
    if "messages" not in row:
        if text is None:
            raise RowError("no prompt: neither 'prompt' nor 'messages'")
        return (Message("user", text),), text, None
    refuse_unusable("messages", row["messages"])
    chat = ChatColumn("messages")
    messages = chat.messages(row)
    if not all(message.content.strip() for message in messages):
        raise RowError("no text: a turn of the prompt is blank")
    return messages, text or "\n".join(message.content for message in messages), chat.answer(row)


def _response(row: Mapping[str, Any], said: str | None) -> Answer | None:
    given = values.text("response", row["response"]) if "response" in row else said
    if said is not None and "response" in row and given != said:
        raise RowError("the response is not what the assistant's last turn says: which is it?")
    if given is None:
        alone = next((key for key in ("response_tokens", "response_logprobs") if key in row), None)
        if alone:
            raise RowError(f"{alone} without a response")
        return None
    logprobs = (
        values.by_role("response_logprobs", row["response_logprobs"]) if "response_logprobs" in row else {}
    )
    tokens = values.tokens("response_tokens", row["response_tokens"]) if "response_tokens" in row else None
    return _answer("response", given, tokens, logprobs.get("tuned"), row)


def _answer(
    name: str, text: str, tokens: Tokens | None, logprobs: Logprobs | None, row: Mapping[str, Any]
) -> Answer:
    if logprobs is not None:
        check_answer(f"{name}_logprobs" if name == "response" else f"{name}.logprobs", logprobs, tokens)
    return Answer(
        text,
        tokens,
        logprobs,
        values.word("finish", row["finish"]) if "finish" in row else None,
        values.number("temperature", row["temperature"], 0.0) if "temperature" in row else None,
        values.number("top_p", row["top_p"], 0.0, 1.0) if "top_p" in row else None,
        values.whole("seed", row["seed"], values.SEEDS) if "seed" in row else None,
    )


def _draws(given: Any) -> tuple[Answer, ...]:
    if not isinstance(given, list | tuple):
        raise RowError(f"wrong type: draws is a {type(given).__name__}, not a list of answers")
    if len(given) > MAX_DRAWS:
        raise RowError(f"draws: over {MAX_DRAWS} of them")
    return tuple(_draw(f"draws[{place}]", item) for place, item in enumerate(given))


def _draw(name: str, item: Any) -> Answer:
    if not isinstance(item, Mapping):
        return Answer(values.text(name, item))
    row: dict[str, Any] = {}
    for key, places in DRAW_KEYS.items():
        given = [item[place] for place in places if item.get(place) is not None]
        if len(given) > 1:
            raise RowError(f"{name}: {' and '.join(places)} are one key")
        row |= {key: given[0]} if given else {}
    unknown = sorted(str(key) for key in item if not any(key in places for places in DRAW_KEYS.values()))
    if unknown:
        raise RowError(f"{name}: unknown key {values.shown(unknown[0])} (known: {', '.join(DRAW_KEYS)})")
    if "text" not in row:
        raise RowError(f"{name}: has no text")
    tokens = values.tokens(f"{name}.token_ids", row["token_ids"]) if "token_ids" in row else None
    logprobs = values.logprobs(f"{name}.logprobs", row["logprobs"]) if "logprobs" in row else None
    return _answer(name, values.text(f"{name}.text", row["text"]), tokens, logprobs, row)


def _attributes(row: Mapping[str, Any], name: str | None, kept: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: values.word(key, row[key])
        for key in ("label", "domain", "group", "parent_id", "language")
        if key in row
    }
    found |= {key: values.words(key, row[key]) for key in ("references", "choices") if key in row}
    if "severity" in row:
        found["severity"] = values.whole("severity", row["severity"], range(10_000))
    meta = row.get("meta", {})
    if not isinstance(meta, Mapping):
        raise RowError(f"wrong type: meta is a {type(meta).__name__}, not a mapping")
    own: dict[str, Any] = {} if name is None else {"id": name}
    if "confidence" in row:
        own["confidence"] = values.number("confidence", row["confidence"], 0.0, 1.0)
    if "correct" in row:
        own["correct"] = values.yes_or_no("correct", row["correct"])
    twice = sorted((set(own) & set(meta)) | (set(own) & set(kept)) | (set(meta) & set(kept)))
    if twice:
        raise RowError(f"meta: {values.shown(twice[0])} stands there and in a column of its own")
    refuse_unusable("meta", {**meta, **kept})
    found["meta"] = {**meta, **kept, **own}
    _refuse_deep(found["meta"])
    return found


def _refuse_deep(meta: Mapping[str, Any]) -> None:
    try:
        json.dumps(meta)
    except (RecursionError, TypeError, ValueError) as error:
        raise RowError(f"meta: can't be written as JSON: {error}") from None
