"""A mistake in a configuration is one line: the file, the path in it, what is wrong, the nearest right key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.config import Adapter, BenchmarkSpec, FullModel, RunConfig
from llmood.config_file import load_config
from llmood.errors import ConfigError
from llmood.paths import builtin_root
from llmood.strict import parse

OOD = {"task": "t", "shift": "near"}
INF, NAN = float("inf"), float("nan")

MISTAKES: list[tuple[dict[Any, Any], str]] = [
    ({}, "benchmark: is missing"),
    ({"benchmrk": "b"}, "benchmrk: unknown key (did you mean 'benchmark'?)"),
    (
        {"benchmark": 5},
        "benchmark: a benchmark's name, or a mapping with its 'id' and 'ood', is needed, not 5",
    ),
    ({"benchmark": {"name": "a", "idd": "b"}}, "benchmark.idd: unknown key (did you mean 'id'?)"),
    ({"benchmark": {"name": "a b", "id": "b"}}, "benchmark.name: string should match pattern"),
    (
        {"benchmark": {"name": "a", "id": "b", "ood": [OOD, {"task": "t", "shfit": "far"}]}},
        "benchmark.ood.1.shfit: unknown key (did you mean 'shift'?)",
    ),
    (
        {"benchmark": {"name": "a", "id": "b", "ood": [{"task": "t", "shift": "neer"}]}},
        "benchmark.ood.0.shift: input should be 'near', 'far' or 'covariate', not 'neer'",
    ),
    ({"benchmark": "b", "scorer": ["a"]}, "scorer: unknown key (did you mean 'scorers'?)"),
    ({"benchmark": "b", "scorers": "likelihood"}, "scorers: a list is needed, not 'likelihood'"),
    (
        {"benchmark": "b", "scorers": ["a", 3]},
        "scorers.1: a scorer's name, or {name: {argument: value}}, is needed, not 3",
    ),
    (
        {"benchmark": "b", "models": {"tuned": [{"adapter": "a"}, {"model": "m"}]}},
        "models.tuned: several tuned models are adapters on the one base",
    ),
    (
        {"benchmark": "b", "models": {"tuned": [{"adapter": "a"}, {"adapter": "a"}]}},
        "models.tuned: the same adapter stands there twice",
    ),
    (
        {"benchmark": {"name": "b", "id": "i", "ood": [{"shift": "far"}]}},
        "benchmark.ood.0: 'task' is missing",
    ),
    (
        {"benchmark": {"name": "b", "id": "i", "ood": [{"corruption": "typos", "shift": "far"}]}},
        "benchmark.ood.0: a corruption keeps the meaning: its shift is 'covariate'",
    ),
    ({"benchmark": "b", "scorers": []}, "scorers: at least one is needed"),
    ({"benchmark": "b", "models": {"bse": "m"}}, "models.bse: unknown key (did you mean 'base'?)"),
    ({"benchmark": "b", "models": {"base": 5}}, "models.base: a mapping of keys is needed, not 5"),
    (
        {"benchmark": "b", "models": {"base": {"model": 5}}},
        "models.base.model: input should be a valid string, not 5",
    ),
    (
        {"benchmark": "b", "models": {"tuned": {"adaptr": "a"}}},
        "models.tuned.adaptr: unknown key (did you mean 'adapter'?)",
    ),
    (
        {"benchmark": "b", "models": {"tuned": {"adapter": "a", "revison": "r"}}},
        "models.tuned.revison: unknown key (did you mean 'revision'?)",
    ),
    (
        {"benchmark": "b", "models": {"tuned": {"adapter": "a", "model": "m"}}},
        "models.tuned: is an adapter or a model, not both",
    ),
    (
        {"benchmark": "b", "models": {"tuned": 5}},
        "models.tuned: a mapping with the key 'adapter' or 'model' is needed, not 5",
    ),
    ({"benchmark": "b", "engine": "fake"}, "engine: a mapping of keys is needed, not 'fake'"),
    (
        {"benchmark": "b", "engine": {"batch_tokens": 0}},
        "engine.batch_tokens: input should be greater than or equal to 1, not 0",
    ),
    (
        {"benchmark": "b", "engine": {"dtype": "fp32"}},
        "engine.dtype: input should be 'auto', 'float32', 'bfloat16' or 'float16', not 'fp32'",
    ),
    ({"benchmark": "b", "limit": 0}, "limit: input should be greater than or equal to 1, not 0"),
    ({"benchmark": "b", "limit": True}, "limit: input should be a valid integer, not True"),
    ({"benchmark": "b", "seed": 1.5}, "seed: input should be a valid integer, not 1.5"),
    ({"benchmark": "b", "seed": -1}, "seed: input should be greater than or equal to 0, not -1"),
    (
        {"benchmark": "b", "bootstrap": {"draws": 10}},
        "bootstrap.draws: input should be greater than or equal to 100",
    ),
    ({"benchmark": "b", "bootstrap": {"level": NAN}}, "bootstrap.level: input should be a finite number"),
    (
        {"benchmark": "b", "finetune": {"learning_rate": INF}},
        "finetune.learning_rate: input should be a finite number, not inf",
    ),
    (
        {"benchmark": "b", "finetune": {"weight_decay": NAN}},
        "finetune.weight_decay: input should be a finite number, not nan",
    ),
    (
        {"benchmark": "b", "scorers": [{"gzip_knn": {"seed": INF}}]},
        "scorers.0: the argument 'seed' is a finite number, not inf",
    ),
    (
        {"benchmark": "b", "scorers": [{"gzip_knn": {"seed": [1]}}]},
        "scorers.0: the argument 'seed' is a number, a text, true/false or a list of texts, not [1]",
    ),
    (
        {"benchmark": "b", "scorers": ["a", {"gzip_knn": {"seed": {"a": 1}}}]},
        "scorers.1: the argument 'seed' is a number, a text, true/false or a list of texts, not {'a': 1}",
    ),
    (
        {"benchmark": "b", "scorers": [{"gzip_knn": {1: 2}}]},
        "scorers.0: an argument's name is a text, not 1",
    ),
    ({"benchmark": "b", "scorers": [{1: {"k": 2}}]}, "scorers.0: a scorer's name is a text, not 1"),
    ({"benchmark": "b", 3: 4}, "3: keys should be strings, not 3"),
]


@pytest.mark.parametrize(("data", "line"), MISTAKES, ids=[line.split(":")[0] for _, line in MISTAKES])
def test_a_mistake_is_one_line_with_its_path(data: dict[Any, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(RunConfig, data, place="run.yaml")
    assert str(caught.value).startswith(f"run.yaml: {line}")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_several_mistakes_are_a_line_each() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(RunConfig, {"benchmark": "b", "limit": 0, "sed": 1}, place="run.yaml")
    assert str(caught.value).splitlines() == [
        "run.yaml: limit: input should be greater than or equal to 1, not 0",
        "run.yaml: sed: unknown key (did you mean 'seed'?)",
    ]


def test_short_forms() -> None:
    config = parse(RunConfig, {"benchmark": "b", "models": {"base": "m", "tuned": "t"}}, place="x")
    assert config.models.base == FullModel(model="m")
    assert config.models.tuned == FullModel(model="t")
    adapted = parse(RunConfig, {"benchmark": "b", "models": {"tuned": {"adapter": "a"}}}, place="x")
    assert adapted.models.tuned == Adapter(adapter="a")
    inline = parse(RunConfig, {"benchmark": {"name": "n", "id": "i"}}, place="x")
    assert inline.benchmark == BenchmarkSpec(name="n", id="i")


def test_a_dumped_configuration_reads_as_itself() -> None:
    data = {
        "benchmark": {"name": "n", "id": "i", "ood": [OOD]},
        "models": {"base": "m", "tuned": {"adapter": "a"}},
    }
    config = parse(RunConfig, data, place="x")
    assert parse(RunConfig, config.model_dump(mode="json"), place="x") == config


def test_a_configuration_is_frozen() -> None:
    config = parse(RunConfig, {"benchmark": "b"}, place="x")
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize("data", [[1], "text", None])
def test_what_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(ConfigError, match="a mapping of keys is needed"):
        parse(RunConfig, data, place="x")


@pytest.mark.parametrize(
    "path", sorted((builtin_root() / "configs").glob("*.yaml")), ids=lambda path: path.stem
)
def test_built_in_configurations_are_right(path: Path) -> None:
    config, folder, name = load_config(path)
    assert (folder, name) == (path.parent.resolve(), path.stem)
    assert load_config(path.stem)[0] == config  # by its name
    assert config.seed == 0


def test_a_file_its_folder_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("benchmark: b\nseed: 3\n")
    config, folder, name = load_config(tmp_path / "mine.yaml", ["seed=4", "models.base=m"])
    assert (config.seed, config.models.base, folder, name) == (4, FullModel(model="m"), tmp_path, "mine")


def test_a_mapping_is_named_after_its_benchmark() -> None:
    assert load_config({"benchmark": "b"}, ["limit=5"])[::2] == (RunConfig(benchmark="b", limit=5), "b")
    assert load_config({"benchmark": {"name": "n", "id": "i"}})[2] == "n"
    assert load_config(RunConfig(benchmark="c")) == (RunConfig(benchmark="c"), None, "c")


def test_a_mistaken_file_name_gets_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("benchmark: b\n")
    with pytest.raises(ConfigError, match=r"no configuration file 'mime\.yaml' \(did you mean 'mine\.yaml'"):
        load_config("mime.yaml")
    with pytest.raises(ConfigError, match="did you mean 'clinc150'"):
        load_config("clinc151")
    (tmp_path / ".hidden.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"known: (?!.*hidden)"):
        load_config("nothing of the kind")


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("- a\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: a mapping of keys is needed"):
        load_config(tmp_path / "mine.yaml")
