"""A model that learns: its loss against a computation of its own, its steps, its states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmood.engines.folders import ModelFolder
from llmood.errors import ConfigError
from llmood.finetune_config import PROFILES
from llmood.training.examples import Example
from llmood.training.models import lora
from llmood.training.models.lora import LoraModel
from llmood.training.targets import choose_targets
from tests import tiny_models
from tests.tiny_models import plain_logprobs, rows_of

EXAMPLES = [
    Example(row, start) for row, start in zip(rows_of(2, 4, 9, 17, 30), (1, 1, 4, 1, 25), strict=True)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_model(tmp_path_factory.mktemp("base"))


def make(
    folder: Path, *, targets: Sequence[str] = ("q_proj", "v_proj"), seed: int = 0, **changes: Any
) -> LoraModel:
    settings = PROFILES["small"].model_copy(update={"rank": 4, "alpha": 8} | changes)
    return LoraModel(folder, settings, targets, seed=seed, dtype="float32", device="cpu")


def learn(model: LoraModel, steps: range, rate: float = 1e-2) -> list[float]:
    with model.training():
        return [model.step(EXAMPLES, rate=rate, step=step) for step in steps]


def by_hand(folder: Path, adapter: Path | None = None) -> float:
    """−log p of the learned tokens, one text at a time, by transformers alone."""
    logprobs = [plain_logprobs(folder, row.token_ids, adapter) for row in EXAMPLES]
    return -sum(sum(values[row.start - 1 :]) for row, values in zip(EXAMPLES, logprobs, strict=True))


def save(model: LoraModel, folder: Path, name: str) -> Path:
    import json

    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.adapter(), folder / "adapter_model.safetensors", {"format": "pt"})
    config = {**model.adapter_config(), "base_model_name_or_path": name}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_the_loss_of_a_padded_batch_is_that_of_its_texts_alone(base: Path) -> None:
    assert make(base).losses(EXAMPLES) == pytest.approx(by_hand(base), abs=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2"])
def test_an_adapter_is_what_peft_reads(tmp_path: Path, architecture: str) -> None:
    folder = tiny_models.save_model(tmp_path / "base", architecture)
    targets = choose_targets(None, ModelFolder("models.base", "b", folder))
    model = make(folder, targets=targets)
    before = model.losses(EXAMPLES)
    learn(model, range(3))
    after = model.losses(EXAMPLES)
    assert after < before
    adapter = save(model, tmp_path / "adapter", str(folder))
    assert by_hand(folder, adapter) == pytest.approx(after, abs=1e-3)


def test_a_step_is_that_of_plain_torch(base: Path) -> None:
    """Two steps against peft, one text at a time, torch's own clipping and AdamW."""
    from peft import LoraConfig, get_peft_model

    changes = {"dropout": 0.0, "max_gradient": 0.5, "weight_decay": 0.3}
    ours = make(base, **changes)
    first = ours.adapter()
    assert learn(ours, range(2))[0] == pytest.approx(by_hand(base), abs=1e-3)

    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])
    theirs = get_peft_model(tiny_models.plain_model(base), config)
    named = {name.replace(".default", ""): p for name, p in theirs.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(torch.from_numpy(first[name]))
    optimizer = torch.optim.AdamW(named.values(), lr=1e-2, weight_decay=0.3)
    for _ in range(2):
        optimizer.zero_grad()
        losses = []
        for row in EXAMPLES:
            logprobs = theirs(input_ids=torch.tensor([row.token_ids])).logits[0].log_softmax(-1)
            losses += [-logprobs[t - 1, row.token_ids[t]] for t in range(row.start, len(row.token_ids))]
        torch.stack(losses).mean().backward()
        torch.nn.utils.clip_grad_norm_(named.values(), 0.5)
        optimizer.step()
    for name, parameter in named.items():
        assert ours.adapter()[name] == pytest.approx(parameter.detach().numpy(), abs=2e-5), name


def test_what_fits_in_memory_at_once_changes_nothing(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(base, dropout=0.0)
    monkeypatch.setattr(lora, "CPU_TOKENS", 20)
    pieces = make(base, dropout=0.0)
    assert learn(whole, range(3)) == pytest.approx(learn(pieces, range(3)), rel=1e-5)


def test_activations_computed_twice_give_the_same_steps(base: Path) -> None:
    kept = learn(make(base), range(3))
    assert kept == pytest.approx(learn(make(base, gradient_checkpointing=True), range(3)), rel=1e-6)


def test_a_device_without_room_gets_smaller_pieces(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = learn(make(base, dropout=0.0), range(1))
    model, honest = make(base, dropout=0.0), LoraModel._loss

    def crowded(self: LoraModel, rows: Sequence[Example]) -> torch.Tensor:
        if max(len(row.token_ids) for row in rows) * len(rows) > 40:
            raise torch.OutOfMemoryError
        return honest(self, rows)

    monkeypatch.setattr(LoraModel, "_loss", crowded)
    assert learn(model, range(1)) == pytest.approx(expected, rel=1e-5)

    monkeypatch.setattr(LoraModel, "_loss", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError))
    with pytest.raises(Exception, match="too little memory to train on a text of 30 tokens"):
        learn(model, range(1))


def test_steps_are_repeatable_and_the_seed_s_own(base: Path) -> None:
    one, same, other = make(base), make(base), make(base, seed=1)
    # torch's own generator decides nothing.
    torch.manual_seed(5)
    expected = learn(one, range(3))
    torch.manual_seed(6)
    state = torch.get_rng_state()
    assert learn(same, range(3)) == expected
    assert torch.equal(torch.get_rng_state(), state)
    assert learn(other, range(3)) != expected
    assert all(np.array_equal(value, same.adapter()[name]) for name, value in one.adapter().items())


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_restored_model_goes_on_as_if_nothing_had_happened(base: Path, taken: int) -> None:
    undisturbed = make(base)
    expected = learn(undisturbed, range(5))
    interrupted = make(base)
    learn(interrupted, range(taken))
    resumed = make(base, seed=7)  # its own first weights have to go
    resumed._seed = 0
    resumed.restore(interrupted.state(), taken)
    assert learn(resumed, range(taken, 5)) == expected[taken:]
    for name, value in undisturbed.adapter().items():
        assert np.array_equal(resumed.adapter()[name], value)


def test_a_step_that_is_no_number_is_not_taken(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(base)
    before = model.adapter()
    honest = LoraModel._loss
    monkeypatch.setattr(LoraModel, "_loss", lambda self, rows: honest(self, rows) * float("inf"))
    assert not np.isfinite(learn(model, range(1))[0])
    assert all(np.array_equal(value, before[name]) for name, value in model.adapter().items())


def test_the_adapter_is_float32_on_a_base_in_bfloat16(base: Path) -> None:
    settings = PROFILES["small"].model_copy(update={"rank": 4})
    model = LoraModel(base, settings, ["q_proj"], seed=0, dtype="bfloat16", device="cpu")
    before = model.losses(EXAMPLES)
    learn(model, range(2))
    assert model.losses(EXAMPLES) < before
    assert {value.dtype for value in model.adapter().values()} == {np.dtype("float32")}


@pytest.mark.parametrize("name", ["embed_tokens", "model.embed_tokens"])
def test_an_embedding_that_is_the_head_too_is_no_target(tmp_path: Path, name: str) -> None:
    """peft would warn over many lines, and go on."""
    for folder in (tmp_path / "said", tmp_path / "unsaid"):
        tiny_models.save_model(folder)
    tiny_models.change_json(tmp_path / "unsaid" / "config.json", tie_word_embeddings=False)
    for folder in (tmp_path / "said", tmp_path / "unsaid"):
        with pytest.raises(
            ConfigError, match=f"finetune.targets: '{name}' of b is its embedding and its head"
        ):
            choose_targets(["q_proj", name], ModelFolder("models.base", "b", folder))
    untied = tiny_models.save_model(tmp_path / "untied", tie_word_embeddings=False)
    found = choose_targets([name, "lm_head"], ModelFolder("models.base", "b", untied))
    assert found == (name, "lm_head")
    assert make(untied, targets=found).adapter()  # every warning is an error here


def test_targets_by_architecture(tmp_path: Path) -> None:
    expected = {
        "llama": ("q_proj", "v_proj"),
        "gpt2": ("c_attn",),
        "gemma2": ("q_proj", "v_proj"),
        "cohere": ("q_proj", "v_proj"),  # peft has no entry for it
    }
    for architecture, targets in expected.items():
        folder = tiny_models.save_model(tmp_path / architecture, architecture)
        model = ModelFolder("models.base", "b", folder)
        assert choose_targets(None, model) == targets
    gpt2 = ModelFolder("models.base", "b", tmp_path / "gpt2")
    assert choose_targets(["c_attn", "c_proj"], gpt2) == ("c_attn", "c_proj")
    with pytest.raises(ConfigError, match=r"no layer 'q_proj' \(it has c_attn, c_fc, c_proj, ln_1, ln_2\)"):
        choose_targets(["q_proj"], gpt2)
    tiny_models.change_json(tmp_path / "gpt2" / "config.json", model_type="novel")
    unknown = ModelFolder("models.base", "b", tmp_path / "gpt2")
    with pytest.raises(ConfigError, match="which layers of a 'novel' are query and value is not known"):
        choose_targets(None, unknown)
