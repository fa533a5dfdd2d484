"""A real vLLM server on loopback: the numbers of the transformers engine, for the base and for an adapter on it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmood.config import EngineConfig, Models
from llmood.engines.base import Captured, Engine, Request
from llmood.engines.openai import OpenAIEngine
from llmood.engines.transformers import TransformersEngine
from llmood.records import CaptureSpec, Message
from tests import tiny_models
from tests.vllm_server import vllm_server
from tests.worlds import llmood

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CONTEXT = 64
HEAD = 32  # the smallest that vLLM's attention has on a processor
ROLES = ("base", "tuned")
TEXTS = ["", "a", "bc", "defghij", "The cat sat on the mat.", "k" * 40, "n" * 9, "ü ✓"]


@pytest.fixture(scope="module")
def folders(vllm: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    base = tiny_models.save_model(root / "base", head_dim=HEAD)
    return {"base": base, "adapter": tiny_models.save_adapter(root / "adapter", base), "log": root / "log"}


@pytest.fixture(scope="module")
def address(folders: dict[str, Path]) -> Iterator[str]:
    adapters = {"tuned": folders["adapter"]}
    arguments = ("--max-model-len", str(CONTEXT))
    with vllm_server(folders["base"], adapters, folders["log"], arguments=arguments) as url:
        yield url


@pytest.fixture
def reference(folders: dict[str, Path]) -> TransformersEngine:
    return tiny_models.engine_of(
        folders["base"], {"adapter": str(folders["adapter"])}, max_length=CONTEXT - 1
    )


@pytest.fixture
def engine(address: str, folders: dict[str, Path], fresh_cache: Path) -> OpenAIEngine:
    server: dict[str, Any] = {"url": address, "tokenizer": str(folders["base"])}
    config = EngineConfig.model_validate({"kind": "openai", "server": server})
    return OpenAIEngine(config, Models.model_validate({"base": "base", "tuned": "tuned"}))


def captured(engine: Engine, spec: CaptureSpec, requests: list[Request]) -> list[Captured]:
    found = dict(item for finished in engine.run(spec, requests) for item in finished)
    assert {result.status for result in found.values()} == {"ok"}
    return [found[index] for index in range(len(requests))]


def requests_of(engine: Engine) -> list[Request]:
    return [Request(ids) for ids in engine.tokenizer("base").encode(TEXTS, rendered=False)]


def farthest(ours: list[Captured], theirs: list[Captured]) -> float:
    return max(
        tiny_models.far(a.values["logprobs"], b.values["logprobs"]) for a, b in zip(ours, theirs, strict=True)
    )


def test_everything_is_served(engine: OpenAIEngine) -> None:
    for role in ROLES:
        abilities = engine.abilities(role)
        assert (abilities.scoring, abilities.no_ids, abilities.logprobs) == ("prompt_logprobs", None, True)
        assert abilities.form.extras
        assert engine.context_length(role) == CONTEXT - 1
    assert engine.describe("tuned")["base"] == "base"
    assert engine.identity("base")["weights"] != engine.identity("tuned")["weights"]


@pytest.mark.parametrize("way", ["prompt_logprobs", "echo"])
def test_log_probabilities_are_those_of_transformers(
    engine: OpenAIEngine, reference: TransformersEngine, way: Any
) -> None:
    requests = requests_of(reference)
    served = engine._served.abilities
    for role in ROLES:
        name = engine.models.by_role[role].model  # type: ignore[union-attr]
        served[name] = replace(engine.abilities(role), scoring=way)  # type: ignore[index]
    apart = []
    for role in ROLES:
        spec = CaptureSpec.of("prompt_logprobs", role)
        apart.append(farthest(captured(engine, spec, requests), captured(reference, spec, requests)))
    assert max(apart) < 1e-4, apart


def test_answers_are_those_of_transformers(engine: OpenAIEngine, reference: TransformersEngine) -> None:
    requests = requests_of(reference)
    for role in ROLES:
        spec = CaptureSpec.of("response", role, max_new_tokens=12)
        ours, theirs = captured(engine, spec, requests), captured(reference, spec, requests)
        for a, b in zip(ours, theirs, strict=True):
            for name in ("token_ids", "text", "finish"):
                assert a.values[name] == b.values[name]
        assert farthest(ours, theirs) < 1e-4


def test_base_and_adapter_at_the_same_time(engine: OpenAIEngine, reference: TransformersEngine) -> None:
    # In one batch on a processor, requests without an adapter were once given the last slot's.
    requests = requests_of(reference) * 6
    specs = [CaptureSpec.of("prompt_logprobs", role) for role in ROLES]
    both = [OpenAIEngine(engine.config, engine.models) for _ in specs]
    with ThreadPoolExecutor(2) as threads:
        ours = list(threads.map(lambda pair: captured(*pair, requests), zip(both, specs, strict=True)))
    for spec, found in zip(specs, ours, strict=True):
        assert farthest(found, captured(reference, spec, requests)) < 1e-4


def test_chats_without_a_tokenizer(address: str, reference: TransformersEngine) -> None:
    config = EngineConfig.model_validate({"kind": "openai", "server": {"url": address}})
    engine = OpenAIEngine(config, Models.model_validate({"tuned": "tuned"}))
    messages = [Message("user", "what?")]
    texts = [each.tokenizer("tuned").render(messages) for each in (engine, reference)]
    ours, theirs = (
        [Request(ids) for ids in each.tokenizer("tuned").encode([text], rendered=True)]
        for each, text in zip((engine, reference), texts, strict=True)
    )
    spec = CaptureSpec.of("response", "tuned", max_new_tokens=8)
    (given,), (expected,) = captured(engine, spec, ours), captured(reference, spec, theirs)
    assert given.values["token_ids"] == expected.values["token_ids"]
    assert engine.lacks(CaptureSpec.of("prompt_logprobs", "tuned")) is not None


def test_doctor_says_so(address: str, folders: dict[str, Path]) -> None:
    options = ("--model", "tuned", "--set", f"engine.server.tokenizer={folders['base']}", "--json")
    outcome = llmood("doctor", "--engine", address, *options)
    found = {line["what"]: line["served"] for line in outcome.json()["scorers"]}
    assert found["likelihood_ratio"] == found["likelihood_ratio.response"] == "yes"
    assert found["min_k_plus_plus"] == "no"
