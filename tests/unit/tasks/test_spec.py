from __future__ import annotations

from pathlib import Path

import pytest

from llmood.errors import ConfigError
from llmood.tasks import FileSource, HubSource, TaskSpec
from tests.task_files import texts, write_task

FILES = {"files": "{split}.jsonl", "splits": {"test": "test"}}


def refused(folder: Path, **keys: object) -> str:
    with pytest.raises(ConfigError) as caught:
        write_task(folder, {"test": texts("a")}, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plain_task_has_defaults_and_knows_its_file(tmp_path: Path) -> None:
    spec = write_task(tmp_path, {"test": texts("a")})
    assert (spec.name, spec.version, spec.licence, spec.known_flaws, spec.overlap) == (
        "t",
        1,
        None,
        (),
        "refuse",
    )
    assert spec.file == tmp_path / "t.yaml"
    assert not spec.chat


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"promt": "x"}, "promt: unknown key (did you mean 'prompt'?)"),
        ({"fields": {"labl": "x"}}, "fields.labl: unknown key (did you mean 'label'?)"),
        ({"sources": [{**FILES, "hubb": "x"}]}, "sources.0.hubb: unknown key"),
        ({"sources": [{"hub": "a/b"}]}, "sources.0.splits: is missing"),
        ({"sources": [{"splits": {"test": "test"}}]}, "sources.0.files: is missing"),
        ({"sources": []}, "sources: "),
        ({"sources": None}, "sources: is missing"),
        ({"prompt": None}, "exactly one of 'prompt', 'messages' and 'messages_column' is needed"),
        ({"messages": [{"role": "user", "content": "{{ text }}"}]}, "exactly one of 'prompt', 'messages'"),
        ({"prompt": None, "messages": [{"role": "robot", "content": "x"}]}, "messages.0.role: "),
        ({"name": "a b"}, "name: "),
        ({"version": 0}, "version: "),
        ({"overlap": "ignore"}, "overlap: "),
        ({"sources": [{"files": "x.jsonl", "splits": {"train": "a", "test": "b"}}]}, "no '{split}'"),
        ({"sources": [{"files": "{split}.jsonl"}]}, "'splits' is needed"),
        ({"sources": [{"files": {"test": "x.jsonl"}, "splits": {"test": "b"}}]}, "leave 'splits' out"),
        ({"sources": [{"files": "{split}.jsonl", "splits": {"dev": "dev"}}]}, "sources.0.splits.dev"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, keys: dict[str, object], message: str) -> None:
    shown = refused(tmp_path, **keys)
    assert str(tmp_path / "t.yaml") in shown
    assert message in shown


def test_files_are_one_pattern_or_a_path_for_each_split() -> None:
    pattern = FileSource(files="d/{split}.csv", splits={"train": "train", "test": "oos_test"})
    assert pattern.paths == {"train": "d/train.csv", "test": "d/oos_test.csv"}
    named = FileSource(files={"test": "a.parquet", "validation": "b.jsonl"})
    assert named.split_names == ("test", "validation")


def test_a_source_overrides_fields_key_by_key_and_null_removes_one() -> None:
    spec = TaskSpec.model_validate(
        {
            "name": "t",
            "prompt": "{{ text }}",
            "fields": {"label": "label", "domain": "domain", "meta": {"a": "b"}},
            "sources": [
                {"hub": "o/n", "splits": {"test": "test"}, "fields": {"label": "intent", "domain": None}}
            ],
        }
    )
    (source,) = spec.sources
    assert isinstance(source, HubSource)
    fields = spec.fields_of(source)
    assert (fields.label, fields.domain, fields.meta) == ("intent", None, {"a": "b"})
