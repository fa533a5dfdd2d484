"""Where things are found, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmood.paths import builtin_root, cache_root, data_root, find_model_folder, models_root


def test_the_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LLMOOD_DATA", "LLMOOD_MODELS", "LLMOOD_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    assert data_root() == tmp_path / "LLMOOD_DATA"
    assert models_root() == tmp_path / "LLMOOD_MODELS"
    assert cache_root() == tmp_path / "LLMOOD_CACHE"


def test_unset_and_empty_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOOD_DATA", "")
    monkeypatch.delenv("LLMOOD_MODELS", raising=False)
    monkeypatch.delenv("LLMOOD_CACHE")
    assert data_root() is None
    assert models_root() is None
    assert cache_root() == Path.home() / ".cache" / "llmood"


def test_a_tilde_is_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOOD_CACHE", "~/store")
    assert cache_root() == Path.home() / "store"


def test_the_built_in_configurations_are_there() -> None:
    assert (builtin_root() / "configs" / "clinc150.yaml").is_file()
    assert (builtin_root() / "tasks").is_dir()


def test_a_model_is_looked_for_here_then_beside_the_configuration_then_under_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [tmp_path / name for name in ("here", "config", "models")]
    for root in roots:
        (root / "m").mkdir(parents=True)
    monkeypatch.chdir(roots[0])
    monkeypatch.setenv("LLMOOD_MODELS", str(roots[2]))
    for root in roots:
        assert find_model_folder("m", relative_to=roots[1]) == root / "m"
        (root / "m").rmdir()
    assert find_model_folder("m", relative_to=roots[1]) is None


def test_an_absolute_path_is_looked_for_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOOD_MODELS", str(tmp_path))
    assert find_model_folder(str(tmp_path / "absent")) is None
    assert find_model_folder(str(tmp_path)) == tmp_path


def test_a_file_is_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("")
    assert find_model_folder(str(tmp_path / "m")) is None
