"""What only a GPU shows: the engines on CUDA against transformers and peft alone, in float32 and in half precision."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import llmood
from llmood.config import EngineConfig, Models
from llmood.engines.base import Engine, Request, engines
from llmood.engines.choose import choose_engine
from llmood.records import CaptureSpec
from tests.tiny_models import (
    BASE,
    TUNED,
    plain_logprobs,
    plain_model,
    respond,
    rows_of,
    save_adapter,
    save_model,
)
from tests.worlds import write_world

SIZES = {"hidden_size": 256, "intermediate_size": 512, "head_dim": 64, "initializer_range": 0.05}
ROWS = rows_of(2, 5, 9, 17, 30, 44)
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.25}  # a token; TF32 is off, but sums are made in another order


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    base = save_model(root / "base", tie_word_embeddings=False, **SIZES)
    return {"base": base, "tuned": save_adapter(root / "adapter", base)}


@pytest.fixture(scope="module", params=["transformers", "vllm"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "vllm":
        try:
            version("vllm")
        except PackageNotFoundError:
            pytest.skip("vLLM's CUDA build is not installed")
    return str(request.param)


@pytest.fixture(params=["float32", "bfloat16"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(kind: str, dtype: str, folders: dict[str, Path]) -> Iterator[Engine]:
    models = {"base": str(folders["base"]), "tuned": {"adapter": str(folders["tuned"])}}
    config = EngineConfig.model_validate({"device": "cuda", "dtype": dtype, "gpu_memory_share": 0.3})
    made = engines.get(kind)(config, Models.model_validate(models))
    yield made
    made.close()


def column(engine: Engine, spec: CaptureSpec, name: str, rows: list[tuple[int, ...]] = ROWS) -> list[Any]:
    found: dict[int, Any] = {}
    for finished in engine.run(spec, [Request(row) for row in rows]):
        assert all(result.status == "ok" for _, result in finished), finished
        found |= {index: result.values[name] for index, result in finished}
    return [found[index] for index in range(len(rows))]


def test_prompts_as_a_cpu_scores_them(engine: Engine, dtype: str, folders: dict[str, Path]) -> None:
    for spec, adapter in ((BASE, None), (TUNED, folders["tuned"])):
        for row, found in zip(ROWS, column(engine, spec, "logprobs"), strict=True):
            apart = np.abs(np.array(found[1:]) - plain_logprobs(folders["base"], row, adapter))
            assert apart.max() < TOLERANCE[dtype]


def test_the_adapter_makes_a_difference(engine: Engine) -> None:
    base, tuned = (column(engine, spec, "logprobs")[-1][1:] for spec in (BASE, TUNED))
    assert np.abs(np.array(base) - np.array(tuned)).max() > 0.01


def test_hidden_states_as_a_cpu_gives_them(engine: Engine, dtype: str, folders: dict[str, Path]) -> None:
    requests = [Request(row, (("prompt", 0, len(row)),)) for row in ROWS]
    for role, adapter in (("base", None), ("tuned", folders["tuned"])):
        spec = CaptureSpec.of("hidden_states", role, layers="all", positions="last_prompt,mean_prompt")
        found = {i: each for finished in engine.run(spec, requests) for i, each in finished}
        model = plain_model(folders["base"], adapter)
        for index, row in enumerate(ROWS):
            assert found[index].status == "ok", found[index]
            with torch.no_grad():
                output = model(input_ids=torch.tensor([row]), output_hidden_states=True)
            plain = torch.stack(output.hidden_states)[:, 0].double().numpy()
            theirs = np.stack([plain[:, -1], plain.mean(1)], axis=1)
            ours = np.asarray(found[index].states, np.float64)
            lengths = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
            assert ((ours * theirs).sum(-1) / lengths).min() > (0.9999 if dtype == "float32" else 0.99)


def test_greedy_is_the_same_twice_and_alone(engine: Engine, dtype: str) -> None:
    first = column(engine, respond(), "token_ids")
    assert column(engine, respond(), "token_ids") == first
    if dtype == "float32":
        assert [column(engine, respond(), "token_ids", [row])[0] for row in ROWS] == first


def test_a_run_with_its_canary(kind: str, dtype: str, folders: dict[str, Path], tmp_path: Path) -> None:
    world = write_world(
        tmp_path / "world",
        models={"base": str(folders["base"]), "tuned": {"adapter": str(folders["tuned"])}},
        engine={"kind": kind, "device": "cuda", "dtype": dtype, "gpu_memory_share": 0.3},
        scorers=["likelihood_ratio", "likelihood.response"],
        response={"max_new_tokens": 4},
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert run.status == "complete", run.checks()
    assert {"base", "tuned"} == set(run.manifest["canary"]["noise"])


def test_auto_takes_vllm_for_answers(kind: str) -> None:
    if kind == "vllm":
        assert choose_engine(EngineConfig(), [respond()]).kind == "vllm"
    assert choose_engine(EngineConfig(), [BASE]).kind == "transformers"
