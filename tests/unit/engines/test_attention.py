"""Attention through hooks against transformers' own maps: every layer and head, in any company, base and adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM

from llmood.engines.attention import attended_layers, captured_attention, middle_third
from llmood.engines.base import Request
from llmood.engines.models import attention
from llmood.engines.transformers import TransformersEngine
from llmood.errors import ConfigError, EngineError
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import ARCHITECTURES, BASE, captured, engine_of, rows_of

HEADS = 4
ROWS = rows_of(4, 5, 9, 17, 30, 30, 61)


def spec_of(role: str = "base", layers: str = "all") -> CaptureSpec:
    return CaptureSpec.of("attention", role, "prompt_response", layers=layers, statistic="previous")


def cut_of(row: Sequence[int]) -> int:
    """Where the answer begins: of the first row it is one token, of the others some."""
    return 3 if len(row) == 4 else len(row) // 2


def paid(
    engine: TransformersEngine, spec: CaptureSpec, rows: Sequence[tuple[int, ...]]
) -> list[NDArray[np.float64]]:
    """(layers, heads, tokens − 1) of each row."""
    requests = [
        Request(row, (("prompt", 0, cut_of(row)), ("response", cut_of(row), len(row)))) for row in rows
    ]
    results = engine.capture(spec, requests)
    assert [result.status for result in results] == ["ok"] * len(rows)
    found = []
    for result in results:
        layers, heads = result.values["layer"], result.values["head"]
        assert result.values["statistic"] == "previous"
        assert heads == list(range(HEADS)) * (len(heads) // HEADS)
        assert layers == sorted(layers)
        values = np.array(result.values["values"])
        found.append(values.reshape(len(set(layers)), HEADS, values.shape[1]))
    return found


def plain_paid(folder: Path, row: Sequence[int], adapter: Path | None = None) -> NDArray[np.float64]:
    """The same by transformers and peft alone, from whole maps."""
    from peft import PeftModel

    model: Any = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    model = PeftModel.from_pretrained(model, adapter) if adapter else model
    with torch.no_grad():
        maps = model.eval()(input_ids=torch.tensor([list(row)]), output_attentions=True).attentions
    whole = torch.stack(maps)[:, 0].double().numpy()
    tokens = np.arange(cut_of(row) + 1, len(row))
    return np.asarray(whole[:, :, tokens, tokens - 1])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_alone_in_a_padded_batch_and_as_transformers_gives_them(architecture: str, tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    engine = engine_of(folder)
    for row, ours in zip(ROWS, paid(engine, spec_of(), ROWS), strict=True):
        theirs = plain_paid(folder, row)
        (alone,) = paid(engine, spec_of(), [row])
        assert ours.shape == theirs.shape == (2, HEADS, len(row) - cut_of(row) - 1)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        np.testing.assert_allclose(ours, alone, atol=1e-5)
    assert np.ptp(np.concatenate([each.ravel() for each in paid(engine, spec_of(), ROWS)])) > 0.1


def test_base_and_adapter(tmp_path: Path) -> None:
    base = tiny_models.save_model(tmp_path / "base")
    adapter = tiny_models.save_adapter(tmp_path / "adapter", base)
    engine = engine_of(base, {"adapter": str(adapter)})
    row = ROWS[3]
    found = [paid(engine, spec_of(role), [row])[0] for role in ("base", "tuned", "base")]
    np.testing.assert_allclose(found[0], plain_paid(base, row), atol=1e-5)
    np.testing.assert_allclose(found[1], plain_paid(base, row, adapter), atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert np.array_equal(found[0], found[2])


def test_a_layer_is_the_same_whatever_is_asked_beside_it(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path, num_hidden_layers=6))
    whole = paid(engine, spec_of(), ROWS)
    assert whole[0].shape[0] == 6
    for layers, rows in (("middle", [2, 3]), ("1,-1", [0, 5]), ("2-3", [1, 2])):
        for ours, theirs in zip(paid(engine, spec_of(layers=layers), ROWS), whole, strict=True):
            assert np.array_equal(ours, theirs[rows])


def test_it_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    (before,) = captured(engine, BASE, ROWS[4:5])
    assert engine._loaded is not None
    model = engine._loaded[1].model
    own = model.config._attn_implementation
    paid(engine, spec_of(), ROWS)
    assert model.config._attn_implementation == own != "eager"
    hooks = [len(part._forward_hooks) for part in model.modules()]  # transformers leaves some of its own
    paid(engine, spec_of(), ROWS)
    assert [len(part._forward_hooks) for part in model.modules()] == hooks
    assert captured(engine, BASE, ROWS[4:5]) == [before]


@pytest.mark.parametrize(
    ("depth", "layers"), [(1, [1]), (2, [1, 2]), (3, [2]), (6, [3, 4]), (7, [3, 4, 5]), (32, range(11, 23))]
)
def test_the_middle_third_is_rounded_outwards(depth: int, layers: Sequence[int]) -> None:
    assert middle_third(depth) == tuple(layers)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"layers": "0-1", "statistic": "previous"}, "layer 0, the embeddings"),
        ({"layers": "9", "statistic": "previous"}, "there is no layer 9"),
        ({"layers": "all", "statistic": "sum"}, "statistic 'sum' is none"),
        ({"layers": "all", "statistic": "previous", "heads": 2}, "no setting 'heads'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_loads(
    params: dict[str, Any], said: str, tmp_path: Path
) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    with pytest.raises(ConfigError, match=said):
        engine.check(CaptureSpec.of("attention", "base", "prompt_response", **params))
    assert engine._loaded is None


def test_a_model_without_attention_is_refused(tmp_path: Path) -> None:
    from transformers import MambaConfig

    config = MambaConfig(vocab_size=tiny_models.VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tiny_models.save_tokenizer(tmp_path)
    with pytest.raises(EngineError, match="attention can't be read"):
        paid(engine_of(tmp_path), spec_of(), ROWS[:1])


def test_maps_that_are_not_the_models_own_are_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    look = attention._look

    def other(found: dict[int, torch.Tensor], layer: int, *rest: Any) -> None:
        look(found, layer, *rest)
        if layer == 2 and layer in found:
            found[layer] = found[layer] + 0.1

    monkeypatch.setattr(attention, "_look", other)
    with pytest.raises(EngineError, match="that of block 2 is not what its parts show"):
        paid(engine, spec_of(), ROWS)


def test_what_is_no_number_is_a_failure() -> None:
    values = np.full((1, 2, 3), 0.5, np.float32)
    assert captured_attention(values, [4]).values["layer"] == [4, 4]
    values[0, 1, 2] = np.nan
    assert captured_attention(values, [4]).status == "failed"


def test_layers_of_a_deep_model() -> None:
    assert attended_layers(spec_of(layers="0.5"), 12) == (6,)
