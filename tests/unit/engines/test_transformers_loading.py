"""The transformers engine: what it loads, when, what it refuses, and who it says it is."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmood.config import EngineConfig, Models
from llmood.engines.base import Request
from llmood.engines.models import causal_lm
from llmood.engines.transformers import TransformersEngine
from llmood.errors import ConfigError, EngineError, MissingExtraError
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import (
    BASE,
    BEGIN,
    CONTEXT,
    ROWS,
    TOLERANCE,
    TUNED,
    captured,
    engine_of,
    far,
    respond,
)


def test_two_full_models_load_one_after_the_other(
    llama: Path, other_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gc
    import weakref

    alive: list[weakref.ref[Any]] = []
    original = causal_lm.CausalLM.__init__

    def spy(self: Any, *args: Any, **kwargs: Any) -> None:
        gc.collect()
        assert not any(reference() for reference in alive), "the other model is still there"
        original(self, *args, **kwargs)
        alive.append(weakref.ref(self))

    monkeypatch.setattr(causal_lm.CausalLM, "__init__", spy)
    engine = engine_of(llama, other_llama)
    for spec, folder in ((BASE, llama), (TUNED, other_llama)):
        for _ in range(2):
            values = captured(engine, spec, ROWS)[-1]["logprobs"][1:]
            assert far(values, tiny_models.plain_logprobs(folder, ROWS[-1])) < TOLERANCE
    assert len(alive) == 2
    engine.close()
    assert not any(reference() for reference in alive)


@pytest.mark.parametrize("spec", [BASE, respond("base")], ids=lambda spec: spec.kind)
def test_weights_that_are_no_numbers_fail(spec: CaptureSpec, llama: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = Path(shutil.copytree(llama, tmp_path / "m"))
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = np.full_like(tensors["model.norm.weight"], math.nan)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for result in engine_of(folder).capture(spec, [Request(row) for row in ROWS[1:]]):
        assert result.status == "failed"
        assert "not a number" in str(result.reason)


def test_an_adapter_that_peft_would_half_apply_is_refused(llama: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = Path(shutil.copytree(adapter, tmp_path / "a"))
    tensors = load_file(folder / "adapter_model.safetensors")
    renamed = {name.replace("model.layers.1", "model.blocks.1"): value for name, value in tensors.items()}
    save_file(renamed, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    tiny_models.change_json(folder / "adapter_config.json", target_modules=".*(q_proj|v_proj)")
    engine = engine_of(llama, {"adapter": str(folder)})
    with pytest.raises(EngineError, match=r"is no adapter of this base model: 8 tensors don't fit"):
        engine.capture(TUNED, [Request(ROWS[-1])])


def test_a_folder_that_holds_no_language_model(llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "m"))
    tiny_models.change_json(folder / "config.json", model_type="no_such_type")
    with pytest.raises(EngineError, match="can't be loaded as a causal language model"):
        engine_of(folder).capture(BASE, [Request(ROWS[-1])])


def test_a_missing_extra_is_one_line(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("llmood.engines.local.version", missing)
    with pytest.raises(MissingExtraError, match=r"'torch' is not installed \(pip install 'llmood\[hf\]'\)"):
        engine_of(llama)


def test_making_an_engine_loads_no_model(llama: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(causal_lm.CausalLM, "__init__", refuse)
    engine = engine_of(llama, {"adapter": str(adapter)})
    for role in engine.roles:
        json.dumps([engine.identity(role), engine.describe(role)])
        assert engine.context_length(role) == CONTEXT
        assert engine.tokenizer(role).encode(["ab"], rendered=False) == [(BEGIN, 68, 69)]
    assert engine.plan(BASE, [Request(row) for row in ROWS])


def test_an_adapter_needs_its_base(adapter: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.base: is missing, and models\.tuned is an adapter"):
        TransformersEngine(EngineConfig(), Models.model_validate({"tuned": {"adapter": str(adapter)}}))


def test_a_description_says_what_was_asked_for_and_what_was_found(llama: Path, adapter: Path) -> None:
    models = Models.model_validate(
        {"base": {"model": str(llama), "revision": "v1"}, "tuned": {"adapter": str(adapter)}}
    )
    engine = TransformersEngine(EngineConfig(device="cpu"), models)
    base, tuned = engine.describe("base"), engine.describe("tuned")
    assert (base["name"], base["revision"], base["commit"], base["base"]) == (str(llama), "v1", None, None)
    assert (tuned["name"], tuned["revision"], tuned["base"]) == (str(adapter), None, str(llama))
    # 260·32 of embedding; a layer: q and o 32·32, k and v 16·32, MLP 3·48·32, two norms of 32; a last norm.
    assert base["parameters"] == 260 * 32 + 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32 + 2 * 32) + 32
    assert tuned["adapter_parameters"] == 2 * (4 * (32 + 32) + 4 * (32 + 16))


# ------------------------------------------------------------------------------------------------------ identity


def test_identity_is_content(llama: Path, other_llama: Path, adapter: Path, tmp_path: Path) -> None:
    plain = engine_of(llama, {"adapter": str(adapter)})
    copy = engine_of(
        Path(shutil.copytree(llama, tmp_path / "m")),
        {"adapter": str(shutil.copytree(adapter, tmp_path / "a"))},
    )
    for role in ("base", "tuned"):
        assert copy.identity(role) == plain.identity(role)  # another name, the same content
    assert plain.identity("tuned") != plain.identity("base")
    other = [
        engine_of(other_llama).identity("base"),
        engine_of(llama, dtype="bfloat16").identity("base"),
        plain.identity("base"),
        plain.identity("tuned"),
    ]
    assert len({json.dumps(identity, sort_keys=True) for identity in other}) == 4


def test_another_adapter_is_another_identity(llama: Path, adapter: Path, tmp_path: Path) -> None:
    before = engine_of(llama, {"adapter": str(adapter)})
    folder = Path(shutil.copytree(adapter, tmp_path / "a"))
    tiny_models.change_json(folder / "adapter_config.json", lora_alpha=9)
    after = engine_of(llama, {"adapter": str(folder)})
    assert after.identity("tuned") != before.identity("tuned")
    assert after.identity("base") == before.identity("base")


def test_dtype_is_float32_on_a_cpu_whatever_the_checkpoint(llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "m"))
    tiny_models.change_json(folder / "config.json", dtype="bfloat16")
    assert engine_of(folder, dtype="auto").dtype("base") == "float32"
    assert engine_of(folder, dtype="bfloat16").dtype("base") == "bfloat16"
    engine = engine_of(folder, dtype="auto")
    engine.device = "cuda"
    assert engine.dtype("base") == "bfloat16"


def test_the_context_is_the_models_or_what_lowers_it(llama: Path, tmp_path: Path) -> None:
    assert engine_of(llama, max_length=10).context_length("base") == 10
    assert engine_of(llama, max_length=1000).context_length("base") == CONTEXT
    gpt2 = tiny_models.save_model(tmp_path, "gpt2")
    assert engine_of(gpt2).context_length("base") == CONTEXT


def test_a_batch_too_large_for_memory_is_halved(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    engine = engine_of(llama)
    rows = [Request(tuple(range(1, 5 + extra))) for extra in range(5)]
    whole = engine.capture(BASE, rows)
    sizes: list[int] = []
    scored = causal_lm.CausalLM.token_logprobs

    def small(self: Any, batch: Any, **options: Any) -> Any:
        sizes.append(len(batch))
        if len(batch) > 1 or len(batch[0]) == 8:
            raise torch.OutOfMemoryError("out of memory")
        return scored(self, batch, **options)

    monkeypatch.setattr(causal_lm.CausalLM, "token_logprobs", small)
    halved = engine.capture(BASE, rows)
    assert [result.status for result in halved] == ["ok"] * 4 + ["failed"]
    assert sizes == [5, 2, 1, 1, 3, 1, 2, 1, 1]
    for ours, theirs in zip(halved[:4], whole, strict=False):
        assert ours.values["logprobs"][1:] == pytest.approx(theirs.values["logprobs"][1:], abs=1e-4)


def test_the_engine_s_own_version_is_part_of_its_identity(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = engine_of(llama).identity("base")
    monkeypatch.setattr("llmood.engines.transformers.ENGINE_VERSION", 999)
    assert engine_of(llama).identity("base") != before


def test_code_in_a_model_s_folder_is_part_of_its_identity(llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "coded"))
    before = engine_of(folder).identity("base")
    (folder / "modeling.py").write_text("x = 1")
    assert engine_of(folder).identity("base") != before


def changed_config(llama: Path, folder: Path, **keys: Any) -> Path:
    shutil.copytree(llama, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | keys))
    return folder


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"num_hidden_layers": 4}, "lacks weights that config.json asks for"),
        ({"num_hidden_layers": 1}, "holds layers that config.json leaves out"),
    ],
)
def test_a_checkpoint_that_is_not_its_configuration_s_model(
    llama: Path, tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    engine = engine_of(changed_config(llama, tmp_path / "m", **keys))
    with pytest.raises(EngineError, match=said):
        engine.capture(BASE, [Request((1, 2, 3))])


def test_a_configuration_of_another_size_is_one_line(llama: Path, tmp_path: Path) -> None:
    engine = engine_of(changed_config(llama, tmp_path / "m", vocab_size=7))
    with pytest.raises(EngineError) as caught:
        engine.capture(BASE, [Request((1, 2, 3))])
    assert "\n" not in str(caught.value)


def test_a_context_that_is_none_is_refused(llama: Path, tmp_path: Path) -> None:
    engine = engine_of(changed_config(llama, tmp_path / "m", max_position_embeddings=0))
    with pytest.raises(ConfigError, match="max_position_embeddings is 0"):
        engine.context_length("base")


def test_another_kind_of_adapter_is_refused_before_loading(
    llama: Path, adapter: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(adapter, tmp_path / "a"))
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "PROMPT_TUNING"}))
    with pytest.raises(ConfigError, match="an adapter of type 'PROMPT_TUNING', not 'LORA'"):
        TransformersEngine(
            EngineConfig(device="cpu"),
            Models.model_validate({"base": str(llama), "tuned": {"adapter": str(folder)}}),
        )
