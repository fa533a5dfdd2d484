"""OpenAI's client, the guard, and a real vLLM server on a processor behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from llmood.serve.proxy import proxy_routes
from llmood.serve.proxy_paths import base_of
from llmood.serve.settings import Policy, Upstream
from tests import tiny_models
from tests.serving import Served, serving
from tests.traffic_rows import AWAY, HOME, fit_two
from tests.vllm_server import vllm_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CONTEXT = 128
HEAD = 32  # the smallest that vLLM's attention has on a processor
GREEDY: dict[str, Any] = {"model": "base", "max_tokens": 8, "temperature": 0.0}
CHANGING = {"id", "created", "llmood"}


@pytest.fixture(scope="module")
def address(vllm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("models")
    base = tiny_models.save_model(root / "base", head_dim=HEAD, max_position_embeddings=CONTEXT)
    arguments = ("--max-model-len", str(CONTEXT))
    with vllm_server(base, {}, root / "log", arguments=arguments) as url:
        yield url


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit_two(tmp_path_factory.mktemp("detectors")) / "cheap"


@pytest.fixture(scope="module")
def guard(address: str, detector: Path) -> Iterator[Served]:
    upstream = Upstream(*base_of(address))
    with serving(
        detector, policy=Policy("refuse"), more=lambda guard: (proxy_routes(guard, upstream),)
    ) as own:
        yield own


def said(url: str) -> list[Any]:
    """What a client is told, but for what changes from one answer to the next."""
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        messages: list[Any] = [{"role": "user", "content": HOME[0]["text"]}]
        chat, text = client.chat.completions, client.completions
        whole = [chat.create(messages=messages, **GREEDY), text.create(prompt=HOME[1]["text"], **GREEDY)]
        usage: Any = {"include_usage": True}
        pieces = list(chat.create(messages=messages, stream=True, stream_options=usage, **GREEDY))
        texts = list(text.create(prompt=HOME[1]["text"], stream=True, **GREEDY))
        with pytest.raises(openai.NotFoundError) as unknown:
            chat.create(messages=messages, **{**GREEDY, "model": "nobody"})
        served = [model.id for model in client.models.list()]
    dumped = [
        {name: value for name, value in answer.model_dump().items() if name not in CHANGING}
        for answer in whole
    ]
    # How many tokens come in one event depends on how busy the server is.
    chatted = [choice for piece in pieces for choice in piece.choices]
    written = [choice for piece in texts for choice in piece.choices]
    streamed = [
        "".join(choice.delta.content or "" for choice in chatted),
        "".join(choice.text for choice in written),
        chatted[-1].finish_reason,
        written[-1].finish_reason,
        pieces[-1].usage.model_dump(),
    ]
    return [dumped, streamed, unknown.value.body, served]


def test_the_client_is_told_what_vllm_says(guard: Served, address: str) -> None:
    assert said(f"{guard.url}/v1") == said(address)


def test_what_is_flagged_is_refused_and_what_is_not_is_marked(guard: Served) -> None:
    with openai.OpenAI(base_url=f"{guard.url}/v1", api_key="k", max_retries=0) as client:
        for text, is_flagged in ((HOME[0]["text"], False), (AWAY[0]["text"], True)):
            messages: list[Any] = [{"role": "user", "content": text}]
            whole = client.chat.completions.create(messages=messages, **GREEDY)
            first, *_ = list(client.chat.completions.create(messages=messages, stream=True, **GREEDY))
            for answer in (whole, first):
                assert answer.model_extra is not None
                assert answer.model_extra["llmood"]["flag"] is is_flagged
            assert (whole.choices[0].finish_reason == "content_filter") is is_flagged
