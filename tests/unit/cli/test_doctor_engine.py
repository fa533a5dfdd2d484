"""`llmood doctor --engine`: what an engine can record, hence which scorers it serves; nothing is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.engines.base import engines
from llmood.scorers.base import scorers
from tests.stub_server import Stub
from tests.worlds import Outcome, llmood, no_model_runs, refused, write_world

pytestmark = pytest.mark.usefixtures("stub")

PROMPT, MOMENTS = "prompt_logprobs/prompt", "prompt_moments/prompt"


@pytest.fixture(autouse=True)
def _no_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)


def served(outcome: Outcome, table: str = "captures") -> dict[str, bool]:
    assert outcome.code == 0, outcome.err
    return {line["what"]: line["served"] == "yes" for line in outcome.json()[table]}


def reasons(outcome: Outcome, table: str = "captures") -> dict[str, str]:
    return {line["what"]: line["why_not"] for line in outcome.json()[table]}


@pytest.mark.parametrize("kind", ["fake", "transformers", "openai"])
def test_an_engine_s_kind(kind: str) -> None:
    outcome = llmood("doctor", "--engine", kind, "--json")
    assert outcome.json()["engine"] == kind
    found = served(outcome)
    captures = engines.get(kind).captures
    for _, engine in engines:
        for name, target in engine.captures:
            assert found[f"{name}/{target}"] == ((name, target) in captures)
    assert set(served(outcome, "scorers")) == set(scorers.names())
    assert served(outcome, "scorers")["likelihood_ratio"]
    assert served(outcome, "scorers")["min_k_plus_plus"] == (MOMENTS.partition("/")[0] in dict(captures))


def test_a_server_and_a_model(stub: Stub, fake_tokenizer: Path) -> None:
    address = ("doctor", "--engine", stub.url, "--model", "tuned", "--json")
    whole = llmood(*address, "--set", f"engine.server.tokenizer={fake_tokenizer}")
    assert served(whole)[PROMPT]
    assert served(whole, "scorers")["likelihood_ratio.response"]
    assert not served(whole, "scorers")["min_k_plus_plus"]
    assert {body["model"] for body in stub.bodies()} == {"tuned"}
    plain = llmood(*address)
    assert not served(plain)[PROMPT]
    assert served(plain)["response/prompt"]
    assert "tokenizer is not set" in reasons(plain)[PROMPT]
    assert reasons(plain, "scorers")["likelihood_ratio"].startswith("prompt_logprobs/")
    assert served(plain, "scorers")["length"]


def test_what_a_server_drops(stub: Stub, fake_tokenizer: Path) -> None:
    stub.token_ids = False
    options = ("--model", "base", "--set", f"engine.server.tokenizer={fake_tokenizer}", "--json")
    outcome = llmood("doctor", "--engine", stub.url, *options)
    said = reasons(outcome)
    assert (said[PROMPT], said["response/prompt"]) == ("", "")
    assert said["prompt_logprobs/response"] == "it gives no ids of the tokens that it generates"
    assert served(outcome, "scorers")["likelihood"]
    assert not served(outcome, "scorers")["likelihood.response"]


def test_the_only_model_needs_no_name(stub: Stub) -> None:
    stub.models = ("only",)
    assert served(llmood("doctor", "--engine", stub.url, "--json"))["response/prompt"]
    stub.models = ("one", "two")
    refused(llmood("doctor", "--engine", stub.url), "--model: which one?", "serves one, two")


def test_a_configuration(stub: Stub, tmp_path: Path, fake_tokenizer: Path) -> None:
    section: dict[str, Any] = {
        "kind": "openai",
        "server": {"url": stub.url, "tokenizer": str(fake_tokenizer)},
    }
    world = write_world(tmp_path / "w", engine=section, models={"base": "base", "tuned": "tuned"})
    assert served(llmood("doctor", "--engine", world.config, "--json"))[PROMPT]
    fake = llmood("doctor", "--engine", world.config, "--set", "engine.kind=fake", "--json")
    assert fake.json()["engine"] == "fake"
    alone = llmood(
        "doctor", "--engine", world.config, "--set", "engine.kind=fake", "--set", "models.base=null", "--json"
    )
    assert "models.base is not configured" in reasons(alone, "scorers")["likelihood_ratio"]


def test_the_table(stub: Stub) -> None:
    outcome = llmood("doctor", "--engine", stub.url, "--model", "base")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["capture", "(openai)", "served", "why", "not"]
    assert len(lines) == 1 + len(served(llmood("doctor", "--engine", "fake", "--json"))) + 2 + len(
        scorers.names()
    )


def test_mistakes(stub: Stub, tmp_path: Path) -> None:
    refused(llmood("doctor", "--engine", "transformer"), "no configuration file 'transformer'")
    refused(llmood("doctor", "--engine", stub.url, "--model", "bsae"), "serves no 'bsae'", "'base'")
    refused(llmood("doctor", "--engine", "fake", "--model", "base"), "--model: goes with a server's address")
    refused(llmood("doctor", "--model", "base"), "go with --engine")
    refused(llmood("doctor", "--engine", f"{stub.url}?key=tulips", "--model", "base"), "key_env")
    refused(llmood("doctor", "--engine", stub.url.removesuffix("/v1"), "--model", "base"), "did you mean")
    stub.die()
    gone = llmood("doctor", "--engine", stub.url, "--model", "base")
    assert (gone.code, gone.out) == (1, "")
    assert "can't be reached" in gone.err
