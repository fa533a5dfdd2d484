"""The files that are written: whatever is put into them reads back as it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmood.config import RunConfig
from llmood.config_file import load_config
from llmood.errors import ConfigError
from llmood.scaffold import Columns, Draft, OodDraft, TaskDraft, render, write
from llmood.scaffold.make import base_name
from llmood.scaffold.text import quoted
from llmood.strict import parse
from llmood.tasks import TaskSpec
from llmood.yaml_files import read_yaml

HERE = Path("/home/folder")


def draft(folder: Path = HERE, **changes: Any) -> Draft:
    plain: dict[str, Any] = {
        "name": "mine",
        "folder": folder,
        "id": TaskDraft("mine", {"train": folder.parent / "mine.jsonl"}, Columns(prompt="{{ text }}")),
        "ood": (
            OodDraft(TaskDraft("other", {"test": folder / "o.csv"}, Columns(prompt="{{ q }}")), "near"),
            OodDraft("gsm8k", "far"),
        ),
        "base": "someone/model",
        "adapters": ("./adapters/mine",),
        "seeds": (0,),
        "profile": "small",
        "scorers": ("likelihood_ratio", "length"),
    }
    return Draft(**{**plain, **changes})


# YAML itself has no NUL, no control characters and no halves of surrogate pairs but as escapes; file names have none.
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(anything)
def test_any_text_is_one_scalar_on_one_line(text: str) -> None:
    written = quoted(text)
    assert "\n" not in written
    assert yaml.safe_load(f"key: {written} # comment") == {"key": text}
    assert yaml.safe_load(f"{{key: {written}, other: {written}}}") == {"key": text, "other": text}


@given(anything.filter(bool), anything.filter(bool), st.text("ab'\"{}:#, é\n", min_size=1, max_size=12))
def test_a_task_reads_back_as_it_was_meant(prompt: str, column: str, file: str) -> None:
    file = file.replace("/", "").replace("\0", "")
    columns = Columns(prompt=prompt, references=column, group=column, id=column, label="label")
    task = TaskDraft("mine", {"train": HERE.parent / file, "test": HERE / file}, columns)
    text = render(draft(id=task))["mine.yaml"]
    spec = parse(TaskSpec, yaml.safe_load(text), place="mine.yaml")
    assert spec.prompt == prompt
    assert (spec.fields.references, spec.fields.group, spec.fields.label) == (column, column, "label")
    assert spec.fields.meta == {"id": column}
    (source,) = spec.sources
    if file not in (".", ".."):
        assert source.paths == {"train": os.path.join("..", file), "test": file}  # type: ignore[union-attr]  # noqa: PTH118


def test_a_configuration_reads_back_as_it_was_meant() -> None:
    config = parse(RunConfig, yaml.safe_load(render(draft())["config.yaml"]), place="config.yaml")
    assert config.model_dump(exclude_unset=True, mode="json") == {
        "benchmark": {
            "name": "mine",
            "id": "mine.yaml",
            "ood": [
                {"task": "other.yaml", "shift": "near"},
                {"task": "gsm8k", "shift": "far"},
                {"corruption": "typos"},
            ],
        },
        "models": {"base": {"model": "someone/model"}, "tuned": {"adapter": "./adapters/mine"}},
        "finetune": {"profile": "small", "loss_on": "text", "seeds": [0]},
        "scorers": ["likelihood_ratio", "length"],
        "limit": None,
        "seed": 0,
    }


def test_several_adapters_and_a_chat() -> None:
    names = ("./adapters/mine-seed0", "./adapters/mine-seed1")
    chat = TaskDraft("mine", {"test": HERE / "a.jsonl"}, Columns(messages_column="messages"))
    texts = render(draft(id=chat, ood=(), adapters=names, seeds=(0, 1), chat=False, corruption=None))
    config = parse(RunConfig, yaml.safe_load(texts["config.yaml"]), place="config.yaml")
    assert list(config.models.by_role) == ["base", "tuned", "tuned:1"]
    assert config.finetune.seeds == (0, 1)
    assert (config.chat, config.benchmark.ood) == (False, ())  # type: ignore[union-attr]
    assert (
        parse(TaskSpec, yaml.safe_load(texts["mine.yaml"]), place="mine.yaml").messages_column == "messages"
    )


def test_an_adapter_that_is_there_needs_no_tuning() -> None:
    text = render(draft(seeds=()))["config.yaml"]
    assert "finetune" not in text


def test_nothing_is_replaced_unless_it_is_said(tmp_path: Path) -> None:
    one = draft(tmp_path / "mine")
    files = write(one)
    assert [path.name for path in files] == ["mine.yaml", "other.yaml", "config.yaml"]
    files[1].write_text("my own words")
    files[2].unlink()
    with pytest.raises(ConfigError, match=r"mine.yaml, .*other.yaml: already there \(--force replaces"):
        write(one)
    assert files[1].read_text() == "my own words"
    assert not files[2].exists()
    write(one, force=True)
    assert read_yaml(files[1])["name"] == "other"
    assert load_config(files[2])[2] == "mine"


def test_a_base_is_named_so_that_the_configuration_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "deep" / "base").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert base_name("someone/model", tmp_path / "mine") == "someone/model"
    assert base_name("base", tmp_path / "mine") == "../base"
    assert base_name("base", tmp_path) == "./base"
    # From here, `../base` would be another folder: then the whole path is written.
    monkeypatch.chdir(tmp_path / "deep")
    assert base_name("base", tmp_path / "deep" / "mine") == str(tmp_path / "deep" / "base")
