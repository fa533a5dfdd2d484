"""A real vLLM server on loopback that sees: the numbers of transformers alone, for the base and for an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmood.config import EngineConfig, Models
from llmood.engines.base import Captured, Request
from llmood.engines.openai import OpenAIEngine
from llmood.engines.placing import placing
from llmood.engines.prompts import Prompt
from llmood.engines.requests import request_of
from llmood.picture_records import Picture
from llmood.records import CaptureSpec, Message
from llmood.tasks.images.read import image_digest
from tests.pictures import demo_pictures, saved, speckled
from tests.plain_pictures import plain_logprobs
from tests.tiny_pictures import save_picture_adapter, save_pictured
from tests.vllm_server import vllm_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.usefixtures("fresh_cache")]

HEAD = 32  # the smallest that vLLM's attention has on a processor
IMAGES = (*demo_pictures(2), speckled(64, 32))
WORDS = ("what is red?", "which", "is the circle above?")


@pytest.fixture(scope="module")
def folders(vllm: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sees")
    base = save_pictured(root / "base", split=True, head_dim=HEAD)
    return {
        "base": base,
        "tuned": save_picture_adapter(root / "adapter", base, eye=False),
        "log": root / "log",
    }


@pytest.fixture(scope="module")
def address(folders: dict[str, Path]) -> Iterator[str]:
    arguments = ("--limit-mm-per-prompt", '{"image": 1}')
    with vllm_server(
        folders["base"], {"tuned": folders["tuned"]}, folders["log"], arguments=arguments
    ) as url:
        yield url


def captured(engine: OpenAIEngine, spec: CaptureSpec, requests: list[Request]) -> list[Captured]:
    found = dict(item for finished in engine.run(spec, requests) for item in finished)
    assert {(result.status, result.reason) for result in found.values()} == {("ok", None)}
    return [found[index] for index in range(len(requests))]


def test_prompts_and_answers_are_those_of_transformers(address: str, folders: dict[str, Path]) -> None:
    server = {"url": address, "tokenizer": str(folders["base"])}
    config = EngineConfig.model_validate({"kind": "openai", "server": server})
    engine = OpenAIEngine(config, Models.model_validate({"base": "base", "tuned": "tuned"}))
    assert engine.refuses_pictures() is None
    reader = placing(engine.tokenizer("base"))
    texts, requests = [], []
    for image, words in zip(IMAGES, WORDS, strict=True):
        messages = (Message("user", words),)
        texts.append(reader.render(messages, 1))
        shown = (Picture(image_digest(image), saved(image, "PNG")),)
        placed = reader.place_shown(texts[-1], shown, rendered=True)
        prompt = Prompt("s", placed.token_ids, messages=messages, pictures=shown, places=placed.places)
        made = request_of(engine, CaptureSpec.of("prompt_logprobs", "base"), prompt, None)
        assert isinstance(made, Request)
        requests.append(made)
    for role in ("base", "tuned"):
        spec = CaptureSpec.of("prompt_logprobs", role)
        assert engine.lacks_of_pictures(spec) is None
        adapter = folders["tuned"] if role == "tuned" else None
        answers = captured(engine, CaptureSpec.of("response", role, max_new_tokens=4), requests)
        rows = zip(texts, IMAGES, requests, captured(engine, spec, requests), answers, strict=True)
        for text, image, request, found, answer in rows:
            ids, theirs = plain_logprobs(folders["base"], text, [image], adapter, special=False)
            assert list(request.token_ids) == ids
            ours = found.values["logprobs"][1:]
            assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True) if a is not None) < 1e-4
            assert len(answer.values["token_ids"]) == len(answer.values["logprobs"])
