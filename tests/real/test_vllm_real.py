"""vLLM beside transformers on the real base and adapter: the same numbers a token, the same answers and AUROCs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import llmood
from llmood.config import EngineConfig, Models
from llmood.engines.base import Request, engines
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.records import CaptureSpec
from llmood.tables import INDEX, SAMPLES, read_table
from tests.worlds import llmood as command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("vllm")]

SETTINGS = {
    "scorers": ["likelihood_ratio", "likelihood", "likelihood.base", "likelihood_ratio.response"],
    "response": {"max_new_tokens": 8},
    "limit": 150,
    "bootstrap": {"draws": 100},
}


ENGINE = {"device": "cpu", "dtype": "float32"}
LAYERS = "0,1,0.5,-1"
POSITIONS = "prompt+0,last_prompt,mean_prompt,response+0,last_response,mean_response"


def models_of(real_models: Path) -> dict[str, Any]:
    return {
        "base": str(real_models / "english-5m"),
        "tuned": {"adapter": str(real_models / "english-5m-clinc150-lora")},
    }


@pytest.fixture(scope="module")
def runs(
    real_models: Path, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, llmood.Run]:
    root = tmp_path_factory.mktemp("runs")
    return {
        kind: llmood.evaluate(
            {
                "benchmark": "clinc150",
                "models": models_of(real_models),
                "engine": ENGINE | {"kind": kind},
                **SETTINGS,
            },
            output_dir=root / kind,
        )
        for kind in ("transformers", "vllm")
    }


def captured(run: llmood.Run, spec: CaptureSpec, column: str) -> dict[str, list[Any]]:
    samples = read_table(run.folder / "samples.parquet", SAMPLES)
    index = read_table(run.folder / "observations" / "index.parquet", INDEX)
    found = {}
    for block in Observations(samples, index, Store()).blocks([spec]):
        names = block.samples["sample_id"].to_pylist()
        found |= dict(zip(names, block[spec][column].to_pylist(), strict=True))
    return found


@pytest.mark.parametrize("role", ["base", "tuned"])
def test_a_token_has_the_same_log_probability(runs: dict[str, llmood.Run], role: str) -> None:
    spec = CaptureSpec.of("prompt_logprobs", role)
    ours, theirs = (captured(runs[kind], spec, "logprobs") for kind in ("vllm", "transformers"))
    assert ours.keys() == theirs.keys()
    apart = [np.abs(np.array(ours[name][1:]) - np.array(theirs[name][1:])).max(initial=0.0) for name in ours]
    assert max(apart) < 1e-4


def test_hidden_states_are_the_same(runs: dict[str, llmood.Run], real_models: Path) -> None:
    """Base and adapter, prompts with the answers that transformers gave them."""
    prompts = captured(runs["transformers"], CaptureSpec.of("prompt_logprobs", "tuned"), "token_ids")
    answers = captured(
        runs["transformers"], CaptureSpec.of("response", "tuned", max_new_tokens=8), "token_ids"
    )
    requests = [
        Request(
            (*prompts[name], *answer),
            (
                ("prompt", 0, len(prompts[name])),
                ("response", len(prompts[name]), len(prompts[name]) + len(answer)),
            ),
        )
        for name, answer in answers.items()
    ]
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for kind in runs:
        engine = engines.get(kind)(
            EngineConfig.model_validate(ENGINE | {"kind": kind}),
            Models.model_validate(models_of(real_models)),
        )
        for role in ("base", "tuned"):
            spec = CaptureSpec.of(
                "hidden_states", role, "prompt_response", layers=LAYERS, positions=POSITIONS
            )
            results = [each for finished in engine.run(spec, requests) for each in finished]
            assert {result.status for _, result in results} == {"ok"}
            found[kind, role] = {index: result.states for index, result in results}
        engine.close()
    for role in ("base", "tuned"):
        ours, theirs = found["vllm", role], found["transformers", role]
        assert sorted(ours) == sorted(theirs) == list(range(len(requests)))
        assert max(np.abs(ours[index] - theirs[index]).max() for index in ours) < 1e-3
    base, tuned = (found["vllm", role] for role in ("base", "tuned"))
    assert min(np.abs(base[index] - tuned[index]).max() for index in base) > 1e-2


def test_greedy_is_greedy(runs: dict[str, llmood.Run]) -> None:
    spec = CaptureSpec.of("response", "tuned", max_new_tokens=8)
    ours, theirs = (captured(runs[kind], spec, "token_ids") for kind in ("vllm", "transformers"))
    other = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
    assert len(other) <= 0.05 * len(ours), other


def test_the_aurocs_are_the_same(runs: dict[str, llmood.Run]) -> None:
    def aurocs(run: llmood.Run) -> dict[tuple[str, str], float]:
        return {
            (record["scorer"], record["ood_task"]): record["value"]
            for record in run.records()
            if record["metric"] == "auroc" and record["slice"] is None
        }

    ours, theirs = aurocs(runs["vllm"]), aurocs(runs["transformers"])
    assert ours.keys() == theirs.keys()
    assert max(abs(ours[key] - theirs[key]) for key in ours) <= 0.003


def test_the_canary_saw_it_too(runs: dict[str, llmood.Run]) -> None:
    for run in runs.values():
        assert run.status == "complete"
        differences = run.manifest["canary"]["differences"]
        assert set(differences) == {"base", "tuned"}
        assert max(apart["largest"] for apart in differences.values()) < 1e-4


@pytest.fixture(scope="module")
def scored(
    runs: dict[str, llmood.Run], real_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[float, dict[str, pd.DataFrame]]:
    """A detector fitted on transformers: its threshold, and by engine what it says of the run's prompts."""
    folder = tmp_path_factory.mktemp("detector")
    config = {"benchmark": "clinc150", "models": models_of(real_models), "limit": 150}
    detector = llmood.fit_detector(
        config | {"engine": ENGINE | {"kind": "transformers"}, "scorers": ["likelihood_ratio"]},
        output_dir=folder / "detector",
    )
    samples = runs["transformers"].samples().query("split == 'test'")
    lines = (json.dumps({"prompt": prompt}) for prompt in samples["prompt"])
    (folder / "traffic.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = {}
    for kind in ("transformers", "vllm"):
        output = folder / f"{kind}.parquet"
        done = command("score", folder / "detector", folder / "traffic.jsonl", "-o", output, "--engine", kind)
        assert done.code == 0, done.err
        assert ("warning: engine was transformers, now vllm" in done.err) == (kind == "vllm")
        found[kind] = pd.read_parquet(output).assign(tokens=list(samples["prompt_tokens"]))
    return detector.thresholds[0].value, found


def test_a_detector_gives_another_engine_the_same_scores(
    runs: dict[str, llmood.Run], scored: tuple[float, dict[str, pd.DataFrame]]
) -> None:
    """Within what the engines' canaries measured: how far either is, a token, from the same models another way."""
    threshold, found = scored
    ours, theirs = found["vllm"], found["transformers"]
    assert set(ours["status"]) == set(theirs["status"]) == {"ok"}
    floor = theirs["tokens"] * sum(
        run.manifest["canary"]["differences"][role]["largest"]
        for run in runs.values()
        for role in ("base", "tuned")
    )
    apart = (ours["score"] - theirs["score"]).abs()
    assert floor.max() < 0.01  # nats of a whole text, where scores are tens apart
    assert (apart <= floor).all()
    near = (theirs["score"] - threshold).abs() <= floor
    assert (ours["flag"] == theirs["flag"])[~near].all()
    assert 0 < theirs["flag"].sum() < len(theirs)
