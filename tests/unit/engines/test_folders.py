"""From a model's name to its folder, and no further."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from llmood.config import Adapter, FullModel
from llmood.engines.folders import ModelFolder, resolve_adapter, resolve_model
from llmood.errors import ConfigError
from tests import tiny_models


def model(name: str | Path, relative_to: Path | None = None) -> ModelFolder:
    return resolve_model(FullModel(model=str(name)), place="models.base", relative_to=relative_to)


def tuned(name: str | Path) -> ModelFolder:
    return resolve_adapter(Adapter(adapter=str(name)), place="models.tuned.adapter", relative_to=None)


def test_a_folder_by_its_path_and_beside_the_configuration(llama: Path) -> None:
    assert model(llama).folder == llama
    assert model(llama.name, relative_to=llama.parent).folder == llama
    assert model(llama).commit is None


def caught_hint(place: str, name: str) -> str | None:
    with pytest.raises(ConfigError) as caught:
        resolve_model(FullModel(model=name), place=place, relative_to=None)
    return caught.value.hint


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("models.nli", "a natural-language-inference model"),
        ("models.encoder", "a sentence-transformers folder"),
        ("models.judge", "an instruction-tuned language model"),
    ],
)
def test_a_missing_model_that_reads_answers_says_what_is_expected(place: str, expected: str) -> None:
    for name in ("./absent", "nobody/nothing"):
        assert f"set {place} to {expected}" in (caught_hint(place, name) or "")


def test_a_name_that_is_nowhere_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("./absent", "/absent", "a/b/c"):
        with pytest.raises(ConfigError, match=r"models\.base: no folder '"):
            model(name)
        assert caught_hint("models.base", name) is None
    # HF_HUB_OFFLINE is set for all tests: no network is asked.
    with pytest.raises(ConfigError) as caught:
        model("nobody/nothing")
    assert str(caught.value).startswith("models.base: no folder 'nobody/nothing' here, and the hub says: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="the hub says"):
        model("not a hub name!")


@pytest.mark.parametrize("weights", [[], ["pytorch_model.bin"]])
def test_pickled_weights_are_no_weights(llama: Path, tmp_path: Path, weights: list[str]) -> None:
    shutil.copy(llama / "config.json", tmp_path)
    for name in weights:
        (tmp_path / name).write_bytes(b"\x80\x04")
    with pytest.raises(ConfigError, match=r"holds no \.safetensors weights \(llmood loads no pickles"):
        model(tmp_path)


def test_a_pickled_adapter_beside_some_other_safetensors_file(adapter: Path, tmp_path: Path) -> None:
    shutil.copy(adapter / "adapter_config.json", tmp_path)
    (tmp_path / "adapter_model.bin").write_bytes(b"\x80\x04")
    shutil.copy(adapter / "adapter_model.safetensors", tmp_path / "optimizer.safetensors")
    with pytest.raises(ConfigError, match=r"holds no adapter_model\.safetensors"):
        tuned(tmp_path)


def test_a_folder_of_another_kind(llama: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.base: .* is an adapter \(write models\.tuned"):
        model(adapter)
    with pytest.raises(ConfigError, match=r"models\.base: .* holds no config\.json"):
        model(tmp_path)
    with pytest.raises(ConfigError, match=r"models\.tuned\.adapter: .* holds no adapter_config\.json"):
        tuned(llama)
    for content, said in (("{", "is not JSON"), ("[]", "is not a JSON object")):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(ConfigError, match=said):
            model(tmp_path)


def test_weights_that_are_no_safetensors(llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "m"))
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="is no safetensors file"):
        model(folder).shapes()


def test_the_digest_is_of_weights_and_configuration(llama: Path, other_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "m"))
    assert model(folder).digest == model(llama).digest != model(other_llama).digest
    tiny_models.change_json(folder / "config.json", rope_theta=5.0)
    assert model(folder).digest != model(llama).digest
