"""The operator's message as an answer of the model's, in the form that the client asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from llmood.serve.proxy_questions import Question
from llmood.serve.proxy_splice import DONE, FIELD

MOST_CHOICES = 128
FINISH = "content_filter"
NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
JSON, STREAM = "application/json", "text/event-stream; charset=utf-8"


def refusal(question: Question, message: str, decision: Mapping[str, Any]) -> tuple[str, bytes]:
    """The type and the body of an answer that says the operator's message."""
    head = _head(question, decision)
    if question.is_streamed:
        return STREAM, b"".join(_events(question, message, head, decision))
    choices = [_choice(question, index, message) for index in range(_count(question))]
    return JSON, _json({**head, "choices": choices, "usage": NO_TOKENS, FIELD: decision})


def _head(question: Question, decision: Mapping[str, Any]) -> dict[str, Any]:
    kind, name = {
        ("chat", False): ("chat.completion", "chatcmpl"),
        ("chat", True): ("chat.completion.chunk", "chatcmpl"),
    }.get((question.route, question.is_streamed), ("text_completion", "cmpl"))
    return {
        "id": f"{name}-{decision['id']}",
        "object": kind,
        "created": int(time.time()),
        "model": question.model or "",
    }


def _count(question: Question) -> int:
    """As many answers as were asked for: a client may count on them."""
    prompts = 1 if question.route == "chat" else len(question.prompts)
    return min(question.each * prompts, MOST_CHOICES)


def _choice(question: Question, index: int, message: str) -> dict[str, Any]:
    said: dict[str, Any] = {"text": message}
    if question.route == "chat":
        said = {"message": {"role": "assistant", "content": message, "refusal": None}}
    return {"index": index, **said, "logprobs": None, "finish_reason": FINISH}


def _events(
    question: Question, message: str, head: Mapping[str, Any], decision: Mapping[str, Any]
) -> list[bytes]:
    chunks: list[dict[str, Any]] = []
    for index in range(_count(question)):
        if question.route == "completions":
            chunks.append({**head, "choices": [_choice(question, index, message)]})
            continue
        delta = {"role": "assistant", "content": message}
        for said, finish in ((delta, None), ({}, FINISH)):
            choice = {"index": index, "delta": said, "logprobs": None, "finish_reason": finish}
            chunks.append({**head, "choices": [choice]})
    chunks[0][FIELD] = decision
    options = question.body.get("stream_options")
    if isinstance(options, Mapping) and options.get("include_usage") is True:
        chunks.append({**head, "choices": [], "usage": NO_TOKENS})
    return [b"data: " + data + b"\n\n" for data in (*map(_json, chunks), DONE)]


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
