"""Adapters of other bases are refused before anything loads, and those that fit score as they should."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from llmood.config import Adapter, FullModel
from llmood.engines.adapter_fit import check_adapter, lora_mismatch
from llmood.engines.base import Request
from llmood.engines.folders import ModelFolder, resolve_adapter, resolve_model
from llmood.errors import ConfigError
from llmood.records import CaptureSpec
from tests import tiny_models


def model(name: str | Path, relative_to: Path | None = None) -> ModelFolder:
    return resolve_model(FullModel(model=str(name)), place="models.base", relative_to=relative_to)


def tuned(name: str | Path) -> ModelFolder:
    return resolve_adapter(Adapter(adapter=str(name)), place="models.tuned.adapter", relative_to=None)


OTHER_BASES: list[tuple[str, dict[str, Any], str]] = [
    ("wider", {"hidden_size": 64}, r"model\.layers\.0\.self_attn\.q_proj is 32×32 in the adapter and 32×64"),
    ("shallower", {"num_hidden_layers": 1}, r"the base has no layer model\.layers\.1\.self_attn\.q_proj"),
    ("deeper", {"num_hidden_layers": 3}, r"it tunes no model\.layers\.2\.self_attn\.q_proj"),
    ("other heads", {"num_key_value_heads": 1}, r"v_proj is 16×32 in the adapter and 8×32 in the base"),
]


@pytest.mark.parametrize(("name", "changes", "said"), OTHER_BASES, ids=[case[0] for case in OTHER_BASES])
def test_an_adapter_of_another_base(
    name: str, changes: dict[str, Any], said: str, adapter: Path, tmp_path: Path
) -> None:
    other = tiny_models.save_model(tmp_path / "m", **changes)
    with pytest.raises(ConfigError, match=said) as caught:
        check_adapter(tuned(adapter), model(other))
    assert str(caught.value).startswith("models.tuned.adapter: ")
    assert caught.value.exit_code == 2


def test_an_adapter_of_another_architecture(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the base has none of the layers that it tunes"):
        check_adapter(tuned(adapter), model(tiny_models.save_model(tmp_path / "m", "gpt2")))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"targets": ("self_attn.q_proj", "down_proj")},
        {"targets": ("q_proj",), "layers_to_transform": [1]},
        {"targets": ("q_proj",), "rank_pattern": {"q_proj": 2}},
        {"targets": ("q_proj",), "modules_to_save": ["norm"]},
    ],
    ids=str,
)
def test_adapters_that_fit_are_taken(llama: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    _takes(llama, tiny_models.save_adapter(tmp_path / "a", llama, **options))


def test_an_embedding_may_be_tuned(tmp_path: Path) -> None:
    base = tiny_models.save_model(tmp_path / "m", tie_word_embeddings=False)
    _takes(base, tiny_models.save_adapter(tmp_path / "a", base, targets=("q_proj", "embed_tokens")))


def _takes(base: Path, folder: Path) -> None:
    check_adapter(tuned(folder), model(base))
    ids = (0, 50, 60, 70, 80)
    engine = tiny_models.engine_of(base, {"adapter": str(folder)})
    (result,) = engine.capture(CaptureSpec.of("prompt_logprobs", "tuned"), [Request(ids)])
    expected = tiny_models.plain_logprobs(base, ids, folder)
    assert result.values["logprobs"][1:] == pytest.approx(expected, abs=1e-4)
    assert tiny_models.plain_logprobs(base, ids) != pytest.approx(expected, abs=1e-3)


def test_a_tied_head_may_be_tuned(llama: Path, tmp_path: Path) -> None:
    # The base's file has no lm_head of its own: it is the embedding.
    assert "lm_head.weight" not in model(llama).shapes()
    base = model(llama).shapes()
    tensors = {
        f"base_model.model.{module}.lora_{part}.weight": shape
        for module, width in (("lm_head", 260), ("model.layers.0.self_attn.q_proj", 32))
        for part, shape in (("A", (4, 32)), ("B", (width, 4)))
    }
    assert lora_mismatch(tensors, base, {"target_modules": "regex"}) is None


def test_half_a_pair_is_refused(llama: Path) -> None:
    tensors = {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": (4, 32)}
    assert lora_mismatch(tensors, model(llama).shapes(), {}) == (
        "model.layers.0.self_attn.q_proj has a lora_A and no lora_B"
    )


def test_an_adapter_that_names_another_hub_model(llama: Path, adapter: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(adapter, tmp_path / "a"))
    tiny_models.change_json(folder / "adapter_config.json", base_model_name_or_path="org/other")
    base = ModelFolder("models.base", "org/this", llama, commit="abc")
    with pytest.raises(ConfigError, match="is an adapter of 'org/other', not of 'org/this'"):
        check_adapter(tuned(folder), base)
    tiny_models.change_json(folder / "adapter_config.json", base_model_name_or_path="ORG/This")
    check_adapter(tuned(folder), base)
    check_adapter(tuned(folder), model(llama))  # a local copy may be called anything
