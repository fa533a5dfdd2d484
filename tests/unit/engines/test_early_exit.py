"""Log-probabilities read off a lower layer: against transformers' own states, norm and head, and in any company."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmood.config import EngineConfig, Models
from llmood.engines.base import engines
from llmood.engines.choose import able, can_capture
from llmood.engines.fake import FakeEngine
from llmood.engines.models.early_exit import check_norm, final_norm
from llmood.engines.transformers import TransformersEngine
from llmood.errors import ConfigError
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import ARCHITECTURES, BASE, ROWS, captured, engine_of, plain_model, rows_of

NORMS = {"gpt2": "ln_f"}  # by architecture; elsewhere `norm`
LONG = rows_of(4, 5, 9, 17, 30, 30, 61)


def spec_of(layer: object, role: str = "base") -> CaptureSpec:
    return CaptureSpec.of("prompt_logprobs", role, exit=str(layer))


def exits(
    engine: TransformersEngine, layer: object, rows: Sequence[Any] = LONG, role: str = "base"
) -> list[Any]:
    found = captured(engine, spec_of(layer, role), rows)
    return [np.array(row["logprobs"][1:], dtype=np.float64) for row in found]


def by_hand(model: Any, norm: str, row: Sequence[int], layer: int) -> Any:
    """Transformers' own state of a layer, through the norm of that name and the model's head."""
    ids = torch.tensor([list(row)])
    with torch.no_grad():
        states = model(input_ids=ids, output_hidden_states=True).hidden_states[layer]
        config = model.config
        logits = model.get_output_embeddings()(getattr(model.base_model, norm)(states))[0, :-1]
        logits = logits * (getattr(config, "logit_scale", None) or 1.0)
        logits = logits / (getattr(config, "logits_scaling", None) or 1.0)
        if cap := getattr(config, "final_logit_softcapping", None):
            logits = torch.tanh(logits / cap) * cap
        return logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0].double().numpy()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_as_norm_and_head_give_it_alone_and_in_a_padded_batch(architecture: str, tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    engine, model = engine_of(folder), plain_model(folder)
    for layer in (0, 1):
        for row, ours in zip(LONG, exits(engine, layer), strict=True):
            expected = by_hand(model, NORMS.get(architecture, "norm"), row, layer)
            assert np.abs(ours - expected).max() < 1e-4
            assert np.abs(ours - exits(engine, layer, [row])[0]).max() < 1e-4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("layer", ["-1", "2", "1.0"])
def test_the_last_layer_is_the_model(architecture: str, layer: str, tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path, architecture))
    whole = [np.array(row["logprobs"][1:]) for row in captured(engine, BASE, LONG)]
    for ours, theirs in zip(exits(engine, layer), whole, strict=True):
        assert np.abs(ours - theirs).max() < 1e-5
    assert max(np.abs(a - b).max() for a, b in zip(exits(engine, 1), whole, strict=True)) > 0.01


def test_base_and_adapter(tmp_path: Path) -> None:
    base = tiny_models.save_model(tmp_path / "base")
    adapter = tiny_models.save_adapter(tmp_path / "adapter", base)
    engine = engine_of(base, {"adapter": str(adapter)})
    for role, folder in (("base", None), ("tuned", adapter)):
        model = plain_model(base, folder)
        model = model if folder is None else model.get_base_model()
        for row, ours in zip(LONG, exits(engine, 1, role=role), strict=True):
            assert np.abs(ours - by_hand(model, "norm", row, 1)).max() < 1e-4


def test_half_of_the_depth_is_a_layer(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    assert captured(engine, spec_of("0.5"), ROWS) == captured(engine, spec_of("1"), ROWS)


def test_a_layer_that_there_is_not_is_refused_before_anything_loads(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    for named, said in (
        ("3", "there is no layer 3"),
        ("0-1", "exit names one layer"),
        ("low", "'low' are none"),
    ):
        with pytest.raises(ConfigError, match=said):
            engine.check(spec_of(named))
    assert engine._loaded is None


def test_a_norm_that_is_not_found_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.llama import modeling_llama

    norm = modeling_llama.LlamaModel.forward

    def scaled(self: Any, *args: Any, **given: Any) -> Any:
        output = norm(self, *args, **given)
        output.last_hidden_state = output.last_hidden_state * 0.5
        return output

    engine = engine_of(tiny_models.save_model(tmp_path))
    engine.check(spec_of(1))
    monkeypatch.setattr(modeling_llama.LlamaModel, "forward", scaled)
    # The first capture is another one: it is not made either.
    with pytest.raises(ConfigError, match="no early exit of this model can be read: no one part makes"):
        captured(engine, BASE, ROWS)


def test_a_norm_that_makes_other_states_is_refused() -> None:
    states = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    check_norm(torch.nn.Identity(), states, states)
    with pytest.raises(LookupError, match="makes other states"):
        check_norm(torch.nn.Identity(), states, states * 1.01)


def test_a_decoder_without_a_norm_has_none(tmp_path: Path) -> None:
    model = plain_model(tiny_models.save_model(tmp_path)).base_model
    assert final_norm(model, 2, [4, 5]) is model.norm
    model.norm = torch.nn.Identity()
    states = torch.ones(3, 32)
    assert torch.equal(final_norm(model, 2, [4, 5])(states), states)


def test_a_head_that_is_not_known_has_no_exits(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    engine._model("base")._head = None
    with pytest.raises(ConfigError, match="its logits are not made by its head alone"):
        exits(engine, 1)


@pytest.mark.parametrize("kind", sorted({*engines.names()} - {"fake", "transformers"}))
def test_other_engines_say_that_they_read_none(kind: str) -> None:
    assert not can_capture(kind, spec_of(1))
    assert can_capture(kind, BASE)
    assert set(able(spec_of(1))) == {"fake", "transformers"}


def test_the_fake_engine_s_last_layer_is_its_model() -> None:
    engine = FakeEngine(EngineConfig(), Models.model_validate({"base": "b", "tuned": "t:bank"}))
    whole = captured(engine, CaptureSpec.of("prompt_logprobs", "tuned"), ROWS)  # type: ignore[arg-type]
    assert captured(engine, spec_of(-1, "tuned"), ROWS) == whole  # type: ignore[arg-type]
    assert captured(engine, spec_of(1, "tuned"), ROWS) != whole  # type: ignore[arg-type]
