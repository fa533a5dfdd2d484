"""vLLM's hidden states against transformers' own: layers, positions, adapters, split prompts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmood.engines.base import Request
from llmood.engines.vllm import VllmEngine
from llmood.errors import EngineError
from llmood.records import CaptureSpec
from tests.tiny_models import BASE, plain_model, rows_of, save_adapter, save_model
from tests.unit.engines.test_transformers_states import (
    DEPTH,
    LONG,
    cosine,
    expected,
    plain_states,
    requests_of,
    spec_of,
)
from tests.vllm_engines import run_well, vllm_engine

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("vllm")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    base = save_model(root / "base", tie_word_embeddings=False, head_dim=32)
    return {
        "base": base,
        "tuned": save_adapter(root / "adapter", base, targets=("q_proj", "down_proj")),
        "gpt2": save_model(root / "gpt2", "gpt2", n_head=1),
    }


@pytest.fixture(scope="module")
def engine(folders: dict[str, Path]) -> Iterator[VllmEngine]:
    made = vllm_engine(folders["base"], folders["tuned"])
    yield made
    made.close()


def states_of(engine: VllmEngine, spec: CaptureSpec, requests: list[Request]) -> list[Any]:
    return [result.states for result in run_well(engine, spec, requests)]


# Room for the token that vLLM makes at the end.
ROWS = [row[:60] for row in LONG]


@pytest.mark.parametrize("role", ["base", "tuned"])
def test_as_transformers_gives_them(engine: VllmEngine, folders: dict[str, Path], role: str) -> None:
    model = plain_model(folders["base"], folders.get(role) if role == "tuned" else None)
    for row, ours in zip(ROWS, states_of(engine, spec_of(role), requests_of(ROWS)), strict=True):
        theirs = expected(plain_states(model, row))
        assert ours.shape == theirs.shape == (DEPTH + 1, 6, 32)
        assert cosine(ours, theirs) > 0.9999
        assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_a_prompt_that_was_seen_before_is_run_again(engine: VllmEngine) -> None:
    long = requests_of(rows_of(60)) * 3
    first, *others = states_of(engine, spec_of(), long)
    for other in (*others, *states_of(engine, spec_of(), long)):
        assert np.allclose(other, first, atol=1e-5)


def test_base_and_adapter_mixed_in_one_batch(engine: VllmEngine, folders: dict[str, Path]) -> None:
    from llmood.engines.models.vllm_states import states_of_rows

    states_of(engine, spec_of("tuned"), requests_of(ROWS[:1]))
    model = engine._loaded
    assert model is not None
    names = [None, "tuned"] * 3
    row = ROWS[4]
    whole = ((0, len(row)),)
    ranges = [[((3, 4),), whole, ((0, 2), (4, 6))]] * 6
    mixed = states_of_rows(model, [row] * 6, names, range(DEPTH + 1), ranges, depth=DEPTH)
    for name, ours in zip(names, mixed, strict=True):
        theirs = plain_states(plain_model(folders["base"], folders["tuned"] if name else None), row)
        assert not isinstance(ours, str)
        expected = [theirs[:, 3], theirs.mean(1), theirs[:, [0, 1, 4, 5]].mean(1)]
        assert cosine(ours, np.stack(expected, axis=1)) > 0.9999


def test_other_captures_are_what_they_were(engine: VllmEngine) -> None:
    def logprobs() -> list[Any]:
        found = {i: each for done in engine.run(BASE, requests_of(ROWS)) for i, each in done}
        return [found[index].values["logprobs"] for index in range(len(ROWS))]

    before = logprobs()
    states_of(engine, spec_of(), requests_of(ROWS))
    assert logprobs() == before


def test_a_step_at_a_time_and_begun_anew(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps as a GPU's scheduler cuts them: a prompt in pieces, one of them thrown away and begun anew."""
    import torch

    from llmood.engines.models.vllm_states import ROW, Watch

    states_of(engine, spec_of(), requests_of(ROWS[:1]))
    assert engine._loaded is not None
    watch = Watch(engine._loaded.llm, DEPTH, [1, DEPTH], [[((0, 5),), ((4, 5),)], [((1, 2),), ((1, 3),)]])
    runner = Runner(watch._runner)
    monkeypatch.setattr(watch, "_runner", runner)
    states = torch.arange(10.0)[:, None] ** 2
    whole = {0: states[:5], 1: states[5:8]}
    for step in ([(0, 0, 3)], [(0, 0, 2), (1, 0, 1)], [(1, 1, 3), (0, 2, 5)], [(0, 5, 6)]):
        runner.set(step, ROW)
        watch._begin(None, None)
        given = torch.cat([torch.cat([whole[row], states[:1]])[start:stop] for row, start, stop in step])
        watch._entered(1, None, (), {"hidden_states": given - 1.0, "residual": torch.ones_like(given)})
        watch._left(None, None, given * 2)
    first, second = watch.found()
    assert np.array_equal(first, [[[6.0], [16.0]], [[12.0], [32.0]]])
    assert np.array_equal(second, [[[36.0], [42.5]], [[72.0], [85.0]]])


class Runner:
    """What of vLLM's runner says which tokens a step holds."""

    def __init__(self, real: Any) -> None:
        self.device = real.device
        self.input_batch: Any = type("Batch", (), {})()
        self.query_start_loc: Any = type("Bounds", (), {})()
        self.requests: dict[str, Any] = {}

    def set(self, step: list[tuple[int, int, int]], key: str) -> None:
        """Of each request its row, and the tokens [start, stop) that are run."""
        self.input_batch.req_ids = [f"r{row}" for row, _, _ in step]
        self.input_batch.num_reqs = len(step)
        self.input_batch.num_computed_tokens_cpu = np.array([start for _, start, _ in step])
        self.query_start_loc.np = np.cumsum([0, *(stop - start for _, start, stop in step)])
        for row, _, _ in step:
            settings = type("Settings", (), {"extra_args": {key: row}})()
            self.requests[f"r{row}"] = type("Request", (), {"sampling_params": settings})()


def test_tokens_that_were_not_shown_are_a_failure(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmood.engines.models.vllm_states import INCOMPLETE, Watch

    begin = Watch._begin

    def half(watch: Watch, module: Any, args: Any) -> None:
        begin(watch, module, args)
        watch._counts[0] -= 1  # of the longest, which is sent first

    monkeypatch.setattr(Watch, "_begin", half)
    found = {i: each for done in engine.run(spec_of(), requests_of(ROWS[:2])) for i, each in done}
    assert (found[1].status, found[1].reason) == ("failed", INCOMPLETE)
    assert found[0].status == "ok"


def test_a_model_whose_blocks_are_elsewhere_is_refused(engine: VllmEngine) -> None:
    from llmood.engines.models.vllm_states import Watch

    states_of(engine, spec_of(), requests_of(ROWS[:1]))
    assert engine._loaded is not None
    with pytest.raises(EngineError, match="can't be read in vLLM: 0 lists of 7 blocks"):
        Watch(engine._loaded.llm, 7, [0], [[((0, 1),)]])


def test_blocks_that_pass_one_tensor(folders: dict[str, Path]) -> None:
    engine = vllm_engine(folders["gpt2"])
    model = plain_model(folders["gpt2"])
    for row, ours in zip(ROWS, states_of(engine, spec_of(), requests_of(ROWS)), strict=True):
        assert cosine(ours, expected(plain_states(model, row))) > 0.9999
    engine.close()


def test_the_runner_that_states_need_is_gone_with_the_model(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VLLM_USE_V2_MODEL_RUNNER", raising=False)
    engine = vllm_engine(folders["base"])
    states_of(engine, spec_of(layers="0"), requests_of(LONG[:1]))
    assert os.environ["VLLM_USE_V2_MODEL_RUNNER"] == "0"
    engine.close()
    assert "VLLM_USE_V2_MODEL_RUNNER" not in os.environ
