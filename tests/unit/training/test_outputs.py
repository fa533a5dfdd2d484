"""Which adapters are made, where, and of which seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.config import RunConfig
from llmood.errors import ConfigError
from llmood.finetune_config import PROFILES, FinetuneConfig
from llmood.paths import builtin_root, find_model_folder
from llmood.strict import parse
from llmood.training.outputs import named_adapters, outputs_of


def config_of(tuned: Any, **keys: Any) -> RunConfig:
    return RunConfig.model_validate({"benchmark": "b", "models": {"base": "x", "tuned": tuned}, **keys})


def made(config: RunConfig, folder: Path | None, output: Path | None = None) -> list[tuple[str, int]]:
    return [(str(each.folder), each.seed) for each in outputs_of(config, folder=folder, output_dir=output)]


def test_an_adapter_goes_beside_the_user_s_configuration_and_a_run_finds_it_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = config_of({"adapter": "adapters/mine"}, seed=3)
    beside = tmp_path / "project"
    assert made(config, beside) == [(str(beside / "adapters/mine"), 3)]
    (beside / "adapters/mine").mkdir(parents=True)
    assert find_model_folder("adapters/mine", relative_to=beside) == beside / "adapters/mine"


@pytest.mark.parametrize("folder", [None, builtin_root() / "configs"])
def test_a_built_in_configuration_s_adapter_goes_to_the_working_directory(folder: Path | None) -> None:
    assert made(config_of({"adapter": "adapters/mine"}), folder) == [("adapters/mine", 0)]


def test_the_option_wins(tmp_path: Path) -> None:
    config = config_of("a whole model")
    assert made(config, tmp_path, Path("here")) == [("here", 0)]
    assert made(config_of(None, finetune={"seeds": [4, 7]}), tmp_path, Path("here")) == [
        ("here-seed4", 4),
        ("here-seed7", 7),
    ]


def test_several_seeds(tmp_path: Path) -> None:
    three = [{"adapter": f"/a/{name}"} for name in "xyz"]
    assert made(config_of(three, finetune={"seeds": [5, 1, 2]}), None) == [
        ("/a/x", 5),
        ("/a/y", 1),
        ("/a/z", 2),
    ]
    # Without seeds each adapter has its own, counted from the run's.
    assert made(config_of(three, seed=10), None) == [("/a/x", 10), ("/a/y", 11), ("/a/z", 12)]
    with pytest.raises(ConfigError, match=r"2 seeds, and models\.tuned names 3 adapters"):
        made(config_of(three, finetune={"seeds": [1, 2]}), None)


def test_what_a_configuration_names() -> None:
    assert named_adapters(config_of([{"adapter": "./b"}, {"adapter": "a"}])) == ["./b", "a"]
    assert named_adapters(config_of({"adapter": "a"})) == ["a"]
    assert named_adapters(config_of("a whole model")) == named_adapters(config_of(None)) == []


@pytest.mark.parametrize(
    ("tuned", "words"),
    [
        (None, "names no adapter to make"),
        ({"model": "m"}, "is a whole model"),
        ({"adapter": "a", "revision": "main"}, "that is to be made has none"),
    ],
)
def test_there_must_be_an_adapter_to_make(tuned: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(config_of(tuned), None)


def test_an_adapter_that_a_run_would_not_find_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapters/mine").mkdir(parents=True)
    with pytest.raises(ConfigError, match="a run started here would take"):
        made(config_of({"adapter": "adapters/mine"}), tmp_path / "project")


def test_the_profile_gives_what_is_not_said() -> None:
    small = FinetuneConfig(profile="small", epochs=2, loss_on="response").settings
    assert small == PROFILES["small"].model_copy(update={"epochs": 2, "loss_on": "response", "answers": True})
    assert (small.learning_rate, small.rank, small.alpha, small.batch_size) == (3e-3, 16, 32, 64)
    assert FinetuneConfig().settings == PROFILES["default"]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"seeds": [1, 1]}, "the same seed stands there twice"),
        ({"seeds": [-1]}, "a seed is 0 or more"),
        ({"seeds": []}, "at least one is needed"),
        ({"loss_on": "response", "answers": False}, "the response is the reference"),
        ({"rate": 1}, r"unknown key \(.*learning_rate"),
        ({"profile": "tiny"}, "profile"),
    ],
)
def test_mistakes_in_the_section(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(RunConfig, {"benchmark": "b", "finetune": section}, place="c.yaml")
