"""Hidden states through hooks against transformers' own: every layer, in any company, base and adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from llmood.engines.base import Captured, Request
from llmood.engines.models.pooling import Pooling, argument, blocks_of, pooled
from llmood.engines.models.states import Tapped
from llmood.engines.transformers import TransformersEngine
from llmood.errors import EngineError
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import ARCHITECTURES, BASE, ROWS, captured, engine_of, plain_model, rows_of

DEPTH = 2
POSITIONS = ["prompt+0", "last_prompt", "mean_prompt", "last_response", "response-2", "mean_response"]
CUT = 3  # the tokens of the answer


def spec_of(role: str = "base", layers: str = "all", dtype: str = "float32") -> CaptureSpec:
    return CaptureSpec.of(
        "hidden_states", role, "prompt_response", layers=layers, positions=",".join(POSITIONS), dtype=dtype
    )


def requests_of(rows: Sequence[tuple[int, ...]]) -> list[Request]:
    return [
        Request(row, (("prompt", 0, len(row) - CUT), ("response", len(row) - CUT, len(row)))) for row in rows
    ]


def plain_states(model: Any, row: Sequence[int]) -> NDArray[np.float64]:
    """All of transformers' states of one text alone, float64 (layers, tokens, size)."""
    with torch.no_grad():
        found = model(input_ids=torch.tensor([list(row)]), output_hidden_states=True).hidden_states
    return torch.stack(found)[:, 0].double().numpy()


def expected(states: NDArray[np.float64]) -> NDArray[np.float64]:
    cut = states.shape[1] - CUT
    prompt, response = states[:, :cut], states[:, cut:]
    return np.stack(
        [prompt[:, 0], prompt[:, -1], prompt.mean(1), response[:, -1], response[:, -2], response.mean(1)],
        axis=1,
    )


def states_of(engine: TransformersEngine, spec: CaptureSpec, rows: Sequence[tuple[int, ...]]) -> list[Any]:
    results = engine.capture(spec, requests_of(rows))
    assert [result.status for result in results] == ["ok"] * len(rows)
    return [result.states for result in results]


def cosine(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The smallest over all layers and positions."""
    product = (ours.astype(np.float64) * theirs).sum(-1)
    lengths = np.linalg.norm(ours.astype(np.float64), axis=-1) * np.linalg.norm(theirs, axis=-1)
    return float((product / lengths).min())


LONG = rows_of(4, 5, 9, 17, 30, 30, 61)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_alone_in_a_padded_batch_and_as_transformers_gives_them(architecture: str, tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    engine = engine_of(folder)
    model = plain_model(folder)
    together = states_of(engine, spec_of(), LONG)
    for row, ours in zip(LONG, together, strict=True):
        theirs = expected(plain_states(model, row))
        assert ours.shape == (DEPTH + 1, len(POSITIONS), 32)
        assert ours.dtype == np.float32
        (alone,) = states_of(engine, spec_of(), [row])
        assert cosine(ours, theirs) > 0.9999
        assert cosine(ours, alone) > 0.9999
        assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_a_layer_is_the_same_whatever_is_asked_beside_it(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    whole = states_of(engine, spec_of(), LONG)
    for layers, rows in (("0", [0]), ("1", [1]), ("-1", [2]), ("0,-1", [0, 2])):
        for ours, theirs in zip(states_of(engine, spec_of(layers=layers), LONG), whole, strict=True):
            assert np.array_equal(ours, theirs[rows])


def test_base_and_adapter(tmp_path: Path) -> None:
    base = tiny_models.save_model(tmp_path / "base")
    adapter = tiny_models.save_adapter(tmp_path / "adapter", base)
    engine = engine_of(base, {"adapter": str(adapter)})
    for role, folder in (("base", None), ("tuned", adapter), ("base", None)):
        model = plain_model(base, folder)
        for row, ours in zip(LONG, states_of(engine, spec_of(role), LONG), strict=True):
            assert cosine(ours, expected(plain_states(model, row))) > 0.9999
    tuned, plain = (states_of(engine, spec_of(role), LONG)[3] for role in ("tuned", "base"))
    assert np.array_equal(tuned[0], plain[0])  # the embeddings are the base's
    assert cosine(tuned[1:], plain[1:]) < 0.999


def test_texts_that_end_alike_have_one_last_embedding(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    rows = [(*row, 9) for row in ROWS]
    spec = CaptureSpec.of("hidden_states", "base", layers="0,1", positions="last_prompt")
    results = engine.capture(spec, [Request(row, (("prompt", 0, len(row)),)) for row in rows])
    first, *others = [result.states for result in results]
    assert first is not None
    for other in others:
        assert other is not None
        assert np.array_equal(other[0], first[0])
        assert not np.allclose(other[1], first[1])


def test_half_precision_is_what_is_stored(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    ours, theirs = (states_of(engine, spec_of(dtype=dtype), LONG) for dtype in ("float16", "float32"))
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == np.float16
        assert np.array_equal(one, other.astype(np.float16))


def test_a_model_in_half_precision(tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path)
    engine = engine_of(folder, dtype="bfloat16")
    model = plain_model(folder).to(torch.bfloat16)
    for row, ours in zip(LONG, states_of(engine, spec_of(), LONG), strict=True):
        assert ours.dtype == np.float32
        assert cosine(ours, expected(plain_states(model, row))) > 0.999


def test_nothing_is_kept_that_nobody_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    states_of(engine, spec_of(layers="1"), LONG)
    decoder = engine._model("base").model.base_model
    assert not any(block._forward_pre_hooks for block in decoder.layers)
    pooled_shapes: list[tuple[int, ...]] = []

    def watched(states: torch.Tensor, pooling: Pooling) -> torch.Tensor:
        pooled_shapes.append(tuple(states.shape))
        return pooled(states, pooling)

    monkeypatch.setattr("llmood.engines.models.states.pooled", watched)
    forward, asked = decoder.forward, []
    monkeypatch.setattr(decoder, "forward", lambda **given: asked.append(set(given)) or forward(**given))
    states_of(engine, spec_of(layers="1"), LONG)
    assert pooled_shapes == [(len(LONG) * 61, 32)]
    assert asked == [{"input_ids", "use_cache"}]


def test_other_captures_are_what_they_were(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    before = captured(engine, BASE, ROWS)
    states_of(engine, spec_of(), LONG)
    assert captured(engine, BASE, ROWS) == before


class Astray(torch.nn.Module):
    """A decoder that norms the states on their way into a block."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.device = inner.device

    def forward(self, **given: Any) -> Any:
        output = self.inner(**given)
        if output.hidden_states is not None:
            output.hidden_states = (
                *output.hidden_states[:1],
                -output.hidden_states[1],
                *output.hidden_states[2:],
            )
        return output


def test_a_model_whose_states_are_elsewhere_is_refused(tmp_path: Path) -> None:
    model = plain_model(tiny_models.save_model(tmp_path)).base_model
    with pytest.raises(EngineError, match="can't be read: 0 lists of 3 blocks"):
        Tapped(model, 3, [4, 5])
    with pytest.raises(
        EngineError, match="can't be read: the states of layer 1 are not what goes into its block"
    ):
        Tapped(Astray(model), DEPTH, [4, 5])


def test_blocks_within_blocks_are_not_the_decoder_s() -> None:
    class Nest(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList(Experts() for _ in range(2))

    class Experts(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(2))

    nest = Nest()
    assert blocks_of(nest, 2) is nest.layers
    with pytest.raises(LookupError, match="3 lists of 2 blocks"):
        blocks_of(torch.nn.ModuleList([Nest(), Nest(), Nest()]), 2)


@pytest.mark.parametrize(
    ("args", "kwargs", "found"),
    [((1, 2), {}, 2), ((1,), {"b": 3}, 3), ((1,), {}, None), ((), {"a": 1}, None)],
)
def test_an_argument_by_its_name(args: tuple[int, ...], kwargs: dict[str, object], found: int | None) -> None:
    assert argument(["a", "b"], args, kwargs, "b") == found


def test_means_are_summed_in_float64() -> None:
    states = torch.full((100_001, 1), 0.1)
    states[0] = 1e6
    pooling = Pooling.of([(0, 0, 100_001), (1, 5, 6), (1, 7, 9)], 2, torch.device("cpu"))
    exact = (1e6 + 100_000 * float(np.float32(0.1))) / 100_001
    assert pooled(states, pooling)[:, 0].tolist() == [float(np.float32(exact)), float(np.float32(0.1))]


def test_a_state_that_is_not_a_number_is_a_failure(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    weights = engine._model("base").model.get_input_embeddings().weight
    with torch.no_grad():
        weights[LONG[1][1]] = torch.nan
    results: list[Captured] = engine.capture(spec_of(layers="0"), requests_of(LONG[:2]))
    assert results[1].status == "failed"
    assert results[1].reason == "the model gave a state that is not a number"
