"""Which adapters vLLM would trim in silence: found from the files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.engines.adapter_support import modules_of, rank_of, why_merged
from llmood.engines.folders import ModelFolder
from tests.tiny_models import change_json, save_adapter, save_model


def folder(path: Path) -> ModelFolder:
    return ModelFolder("models.tuned", path.name, path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return folder(save_model(tmp_path_factory.mktemp("base")))


def test_an_adapter_of_the_layers_goes_as_it_is(base: ModelFolder, tmp_path: Path) -> None:
    adapter = folder(save_adapter(tmp_path, base.folder, targets=("q_proj", "v_proj", "down_proj")))
    assert why_merged(adapter, base) is None
    assert modules_of(adapter) == {"q_proj", "v_proj", "down_proj"}
    assert rank_of(adapter) == 8  # of 4: there is no room of that size


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_what_changes_the_head_or_the_embedding_is_merged(tmp_path: Path, target: str) -> None:
    untied = folder(save_model(tmp_path / "base", tie_word_embeddings=False))
    adapter = folder(save_adapter(tmp_path / "adapter", untied.folder, targets=("q_proj", target)))
    reason = why_merged(adapter, untied)
    assert reason is not None
    assert target in reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["norm"]}, "modules_to_save"),
        ({"bias": "all"}, "biases"),
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"rank_pattern": {"q_proj": 1024}}, "rank 1024"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
    ],
)
def test_other_computations_are_merged(
    base: ModelFolder, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    adapter = folder(save_adapter(tmp_path, base.folder))
    change_json(tmp_path / "adapter_config.json", **changes)
    assert said in str(why_merged(adapter, base))


def test_a_rank_of_one_module_counts(base: ModelFolder, tmp_path: Path) -> None:
    adapter = folder(save_adapter(tmp_path, base.folder))
    change_json(tmp_path / "adapter_config.json", rank_pattern={"q_proj": 20}, init_lora_weights="gaussian")
    assert why_merged(adapter, base) is None
    assert rank_of(adapter) == 32


def test_a_tensor_that_finds_no_place_is_found(base: ModelFolder, tmp_path: Path) -> None:
    deeper = save_model(tmp_path / "deeper", num_hidden_layers=3)
    adapter = folder(save_adapter(tmp_path / "adapter", deeper))
    assert "layers.2" in str(why_merged(adapter, base))
