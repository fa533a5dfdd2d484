"""A server that speaks OpenAI's protocol with the fake engine's numbers, and fails as it is told to.

It answers as vLLM's does (token ids as prompts, `prompt_logprobs`, echo, `return_token_ids`), keeps what it was asked,
and can be made less able: see `Stub`. `tests.stub_http` puts it on a port.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from llmood.engines.fake_model import END, FIRST_BYTE, FakeModel, FakeTokenizer
from llmood.records import Message
from llmood.tasks.images.decode import decode
from llmood.tasks.images.read import LIMITS, image_digest

CONTEXT = 4096  # the fake engine's
CHAT, COMPLETIONS, MODELS = "/v1/chat/completions", "/v1/completions", "/v1/models"

VOCABULARY = FIRST_BYTE + 256

# What a fault does in place of an answer: a status with its error, or a word.
Fault = int | str | Mapping[str, Any] | None
Asked = dict[str, Any]


@dataclass
class Stub:
    """What the server is and what it does; every attribute may be changed while it runs.

    Attributes:
        models: the names that it serves.
        fault: given a request and how often the very same was asked before, what goes wrong with it: a status, a
            mapping (status, body, headers), or `drop` (the connection), `truncate` (the JSON), `short` (the body),
            `nonsense` (a page in place of JSON), `slow` (an answer after `delay` seconds), `fewer` (a token is
            missing), `no logprobs`, `nan`.
        key: what it wants as key; None to take any.
        fields: what a request may hold; None to take all. Anything else is answered with 400.
        scoring: whether it gives `prompt_logprobs`; else the field is taken and ignored.
        echo, token_ids, logprobs, usage: whether it has that.
        adds: ids that it puts before every prompt by itself.
        reads: what decodes its tokens: another tokenizer's words show when a client sends ids of the wrong one.
        listed: whether it says what it serves.
        sees: whether its chats take pictures, in data URLs.
        reader: a picture tokenizer, where it has one; else the fake engine's, and a picture is its digest.
        asked: (path, body, headers) of each request, faults included.
        answered: (path, body) of those that were answered as they should be.
    """

    models: Sequence[str] = ("base", "tuned")
    fault: Callable[[str, Asked, int], Fault] = lambda path, body, before: None
    key: str | None = None
    fields: frozenset[str] | None = None
    scoring: bool = True
    echo: bool = True
    chat: bool = True
    token_ids: bool = True
    logprobs: bool = True
    usage: bool = True
    adds: tuple[int, ...] = ()
    reads: Callable[[int], str] = lambda token: FakeTokenizer().decode([token])
    listed: bool = True
    sees: bool = False
    reader: Any = None
    context: int | None = CONTEXT + 1
    delay: float = 5.0
    asked: list[tuple[str, Asked, dict[str, str]]] = field(default_factory=list)
    answered: list[tuple[str, Asked]] = field(default_factory=list)
    url: str = ""
    up: bool = False
    die: Callable[[], None] = lambda: None
    aliases: dict[str, str] = field(default_factory=dict)
    """The fake model behind a name, where it isn't the name's own."""

    def __post_init__(self) -> None:
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._before: dict[str, int] = {}
        self.most_at_once = 0
        self._at_once = 0

    def count(self, path: str = COMPLETIONS) -> int:
        """How many requests came for a path."""
        return sum(asked == path for asked, _, _ in self.asked)

    def bodies(self, path: str = COMPLETIONS) -> list[Asked]:
        return [body for asked, body, _ in self.asked if asked == path]

    def forget(self) -> None:
        self.asked.clear()
        self._before.clear()

    # ------------------------------------------------------------------------------------- what it answers

    def answer(self, path: str, body: Asked, headers: dict[str, str]) -> tuple[int, Any, dict[str, str], str]:
        """(status, value, headers, how it is sent)."""
        with self._lock:
            same = json.dumps([path, body], sort_keys=True)
            before = self._before.get(same, 0)
            self._before[same] = before + 1
            self.asked.append((path, body, headers))
        fault = self.fault(path, body, before)
        if isinstance(fault, int):
            return fault, _error(fault, "made to fail"), {}, ""
        if isinstance(fault, Mapping):
            return (
                fault["status"],
                fault.get("body", _error(fault["status"], "made to fail")),
                fault.get("headers", {}),
                "",
            )
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return (
                401,
                _error(401, f"Incorrect API key provided: {headers.get('authorization', '')[7:]}"),
                {},
                "",
            )
        status, value = self._plainly(path, body)
        if status == 200 and fault in ("fewer", "no logprobs", "nan"):
            _spoil(value, fault)
        return status, value, {}, fault or ""

    def _plainly(self, path: str, body: Asked) -> tuple[int, Any]:
        if path == MODELS and self.listed:
            return 200, {"object": "list", "data": [self._card(name) for name in self.models]}
        if path == CHAT and self.chat:
            return self._checked(body, self._chat)
        if path == COMPLETIONS:
            return self._checked(body, self._complete)
        return 404, {"detail": "Not Found"}

    def _card(self, name: str) -> Asked:
        card = {"id": name, "object": "model", "created": int(time.time() * 1000), "owned_by": "stub"}
        return card | ({} if self.context is None else {"max_model_len": self.context})

    def _checked(self, body: Asked, make: Callable[[Asked], tuple[int, Any]]) -> tuple[int, Any]:
        unknown = set(body) - (self.fields if self.fields is not None else set(body))
        if unknown:
            return 400, _error(400, f"Unrecognized request argument supplied: {min(unknown)}")
        if body["model"] not in self.models:
            return 404, _error(404, f"The model `{body['model']}` does not exist.")
        return make(body)

    def _complete(self, body: Asked) -> tuple[int, Any]:
        prompt = body["prompt"]
        ids = (
            [*self.adds, *prompt]
            if isinstance(prompt, list)
            else list(FakeTokenizer().encode([prompt], rendered=False)[0])
        )
        if self.context is not None and len(ids) + body["max_tokens"] > self.context:
            return 400, _error(400, f"This model's maximum context length is {self.context} tokens.")
        model = FakeModel(self.aliases.get(body["model"], body["model"]))
        answer = _cut(model, ids, body)
        choice: Asked = {"index": 0, "text": FakeTokenizer().decode(answer), "finish_reason": _finish(answer)}
        if body.get("echo") and self.echo:
            values = model.logprobs(ids)
            choice["text"] = FakeTokenizer().decode(ids)
            choice["logprobs"] = {"tokens": [self.reads(token) for token in ids], "token_logprobs": values}
        elif body.get("logprobs") is not None and self.logprobs:
            choice["logprobs"] = {
                "tokens": [self.reads(token) for token in answer],
                "token_logprobs": model.logprobs(bytes_of([*ids, *answer]))[len(ids) :],
            }
        if body.get("prompt_logprobs") is not None and self.scoring:
            choice["prompt_logprobs"] = self._entries(model, ids)
        if body.get("return_token_ids") and self.token_ids:
            choice |= {"token_ids": answer, "prompt_token_ids": ids}
        return 200, self._whole(choice, len(ids), len(answer))

    def _chat(self, body: Asked) -> tuple[int, Any]:
        ids, refused = self._read(body["messages"])
        if refused is not None:
            return 400, _error(400, refused)
        model = FakeModel(self.aliases.get(body["model"], body["model"]))
        answer = _cut(model, list(ids), body)
        text = FakeTokenizer().decode(answer)
        choice: Asked = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": _finish(answer),
        }
        if body.get("logprobs") and self.logprobs:
            values = model.logprobs(bytes_of([*ids, *answer]))[len(ids) :]
            choice["logprobs"] = {
                "content": [
                    {"token": self.reads(token), "logprob": value}
                    for token, value in zip(answer, values, strict=True)
                ]
            }
        whole = self._whole(choice, len(ids), len(answer))
        if body.get("return_token_ids") and self.token_ids:
            choice["token_ids"] = answer
            whole["prompt_token_ids"] = list(ids)
        if body.get("prompt_logprobs") is not None and self.scoring:
            whole["prompt_logprobs"] = self._entries(model, ids)
        return 200, whole

    def _read(self, turns: list[Asked]) -> tuple[tuple[int, ...], str | None]:
        """The ids of a chat, or why it is refused."""
        parts = [part for turn in turns if isinstance(turn["content"], list) for part in turn["content"]]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        if urls and not self.sees:
            return (), "this model takes no images"
        images = [decode(base64.b64decode(url.partition(",")[2]), LIMITS) for url in urls]
        messages = [Message(turn["role"], _words(turn["content"])) for turn in turns]
        if self.reader is not None:
            text = self.reader.render(messages, len(images))
            if images:
                return self.reader.place(text, images, rendered=True).token_ids, None
            return self.reader.encode([text], rendered=True)[0], None
        words = FakeTokenizer().render(messages) + "".join(image_digest(image) for image in images)
        return FakeTokenizer().encode([words], rendered=True)[0], None

    def _entries(self, model: FakeModel, ids: Sequence[int]) -> list[Asked | None]:
        return [
            None
            if value is None
            else {str(token): {"logprob": value, "rank": 1, "decoded_token": self.reads(token)}}
            for token, value in zip(ids, model.logprobs(bytes_of(ids)), strict=True)
        ]

    def _whole(self, choice: Asked, prompt: int, made: int) -> Asked:
        counts = {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}
        return {"id": "x", "object": "text_completion", "choices": [choice]} | (
            {"usage": counts} if self.usage else {}
        )

    @contextmanager
    def being_asked(self) -> Iterator[None]:
        """Count how many are asked at once."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


def bytes_of(ids: Sequence[int]) -> list[int]:
    """Ids that the fake model knows, of a larger vocabulary."""
    return [token % VOCABULARY for token in ids]


def _words(content: str | list[Asked]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _cut(model: FakeModel, ids: list[int], body: Asked) -> list[int]:
    limit = body.get("max_tokens", body.get("max_completion_tokens"))
    return model.answer(bytes_of(ids))[1][:limit]


def _finish(answer: list[int]) -> str:
    return "stop" if answer and answer[-1] == END else "length"


def _error(status: int, message: str) -> Asked:
    return {"error": {"message": message, "type": "StubError", "param": None, "code": status}}


def _spoil(value: Asked, how: str) -> None:
    """Make an answer a plausible wrong one."""
    for choice in value.get("choices", ()):
        scored, told = choice.get("prompt_logprobs"), choice.get("logprobs")
        if how == "no logprobs":
            choice["prompt_logprobs"] = choice["logprobs"] = None
        if how == "fewer" and scored:
            del scored[-1]
        if how == "fewer" and told and told.get("token_logprobs"):
            del told["token_logprobs"][-1]
        if how == "nan" and scored:
            for entry in (scored[-1] or {}).values():
                entry["logprob"] = float("nan")


def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is told to ask again does so at once."""
    monkeypatch.setattr("llmood.engines.server.problems.FIRST_WAIT", 0.001)
