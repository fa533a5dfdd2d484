"""A run that isn't of the models that it names fails, whichever engine made it; a right one says how right it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_models import save_adapter, save_model
from tests.worlds import Outcome, World, llmood, write_world

pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def world(tmp_path: Path) -> World:
    base = save_model(tmp_path / "base", head_dim=32)
    adapter = save_adapter(tmp_path / "adapter", base)
    return write_world(
        tmp_path / "world",
        models={"base": str(base), "tuned": {"adapter": str(adapter)}},
        engine={"kind": "transformers", "device": "cpu", "canary": 4},
        scorers=["likelihood_ratio", "likelihood.response"],
        response={"max_new_tokens": 4},
    )


def run(world: World, folder: Path) -> tuple[Outcome, dict[str, Any], list[dict[str, Any]]]:
    outcome = llmood("run", world.config, "-o", folder)
    manifest = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return outcome, manifest, json.loads((folder / "checks.json").read_text(encoding="utf-8"))


def of(checks: list[dict[str, Any]], code: str) -> list[str]:
    return [check["severity"] for check in checks if check["code"] == code]


def test_a_right_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, manifest, checks = run(world, tmp_path / "run")
    assert (outcome.code, manifest["status"]) == (0, "complete")
    assert of(checks, "canary") == ["info"]
    assert manifest["canary"]["samples"] == 4
    assert manifest["canary"]["answers"] == {"tuned": {"asked": 4, "same": 4}}
    assert max(apart["largest"] for apart in manifest["canary"]["differences"].values()) < 1e-4
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "scored a second way" in page
    # Another run of the same is made of what is stored, its canary too: nothing is loaded.
    monkeypatch.setattr("llmood.engines.models.loading.load_model", None)
    monkeypatch.setattr("llmood.engines.models.plain.load_model", None)
    again, other, _ = run(world, tmp_path / "again")
    assert (again.code, other["canary"]) == (0, manifest["canary"])


def test_without_a_canary(world: World, tmp_path: Path) -> None:
    world.edit(engine={"kind": "transformers", "device": "cpu", "canary": 0})
    outcome, manifest, checks = run(world, tmp_path / "run")
    assert (outcome.code, manifest["canary"], of(checks, "canary")) == (0, None, ["warning"])
    assert "engine.canary is 0" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_an_adapter_that_is_left_out_fails_the_run(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_report: None
) -> None:
    from llmood.engines.models.causal_lm import CausalLM

    monkeypatch.setattr(CausalLM, "_adapted", lambda self, _: self._switch.disable_adapter())
    outcome, manifest, checks = run(world, tmp_path / "run")
    assert (outcome.code, manifest["status"]) == (1, "failed")
    assert of(checks, "canary") == ["error"]
    assert of(checks, "tuned_equals_base") == ["error"]
    assert "the adapter was not applied" in outcome.out + outcome.err


def test_a_path_that_is_perturbed_fails_the_run(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_report: None
) -> None:
    from llmood.engines.models.causal_lm import CausalLM

    plain = CausalLM.token_logprobs

    def perturbed(self: CausalLM, rows: Any, **options: Any) -> Any:
        finish = plain(self, rows, **options)
        return lambda: [values * np.float32(1.01) for values in finish()]

    monkeypatch.setattr(CausalLM, "token_logprobs", perturbed)
    outcome, manifest, checks = run(world, tmp_path / "run")
    assert (outcome.code, manifest["status"]) == (1, "failed")
    assert of(checks, "canary") == ["error", "error"]
    assert "are allowed" in outcome.out + outcome.err


@pytest.fixture
def closed_engine() -> Iterator[None]:
    yield
    from llmood.engines.models.vllm_model import VllmModel

    if VllmModel._live is not None:
        VllmModel._live.close()


@pytest.mark.slow
@pytest.mark.usefixtures("vllm", "closed_engine")
def test_vllm_that_leaves_the_adapter_out_fails_the_run(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.edit(engine={"kind": "vllm", "device": "cpu", "canary": 4})
    from llmood.engines.models.vllm_model import VllmModel, prepare

    outcome, manifest, checks = run(world, tmp_path / "right")
    assert (outcome.code, of(checks, "canary")) == (0, ["info"])
    prepare("cpu")
    plain = VllmModel.generate
    monkeypatch.setattr(
        VllmModel,
        "generate",
        lambda self, rows, settings, adapters: plain(self, rows, settings, [None] * len(rows)),
    )
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "other"))
    outcome, manifest, checks = run(world, tmp_path / "wrong")
    assert (outcome.code, manifest["status"]) == (1, "failed")
    assert of(checks, "canary") == ["error"]
    assert "the adapter was not applied" in outcome.out + outcome.err
