from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmood.errors import ConfigError, DataError
from llmood.identity import FileDigests
from llmood.records import Message, Reject
from llmood.tasks import load_task
from llmood.tasks.sandbox import MAX_TEXT
from tests.task_files import texts, write_jsonl, write_task


def words(samples: list[Any]) -> list[str]:
    return [sample.text for sample in samples]


def test_rows_become_samples_in_order(tmp_path: Path) -> None:
    row = {
        "text": " a\n",
        "intent": 3,
        "d": "bank",
        "g": "g1",
        "p": "p1",
        "s": 2,
        "refs": ["x", 4],
        "c": ["y"],
        "extra": [1],
    }
    fields = {
        "label": "intent",
        "domain": "d",
        "group": "g",
        "parent_id": "p",
        "severity": "s",
        "references": "refs",
        "choices": "c",
        "meta": {"kept": "extra"},
    }
    spec = write_task(
        tmp_path, {"test": [row, {**row, "text": "b", "intent": None}]}, fields=fields, language="en"
    )
    loaded = load_task(spec)
    first, second = loaded.samples["test"]
    assert first.messages == (Message("user", " a\n"),)
    assert not first.chat
    assert (first.label, first.domain, first.group, first.parent_id, first.severity) == (
        "3",
        "bank",
        "g1",
        "p1",
        2,
    )
    assert (first.references, first.choices, first.meta) == (("x", "4"), ("y",), {"kept": [1]})
    assert (first.task, first.split, first.language, first.source_line) == ("t", "test", "en", "test.jsonl:1")
    assert (second.text, second.label, second.source_line) == ("b", None, "test.jsonl:2")
    assert (loaded.rejects, loaded.carved, loaded.checks) == ([], {}, [])
    assert loaded.source["kind"] == "files"
    assert set(loaded.source["files"]["test"]) == {"name", "digest"}


def test_messages_are_chat_and_a_system_turn_may_be_constant(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ text }}?"}]
    (sample,) = load_task(write_task(tmp_path, {"test": texts("why")}, prompt=None, messages=turns)).samples[
        "test"
    ]
    assert sample.chat
    assert sample.messages == (Message("system", "Be brief."), Message("user", "why?"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"label": "x"}, "no column 'text'"),
        ({"text": "a"}, "no column 'label'"),
        ({"text": "", "label": "x"}, "no text: text is empty"),
        ({"text": " \n", "label": "x"}, "no text: text is empty"),
        ({"text": None, "label": "x"}, "no text: null"),
        ({"text": 5, "label": "x"}, "wrong type: 5, a int,"),
        ({"text": ["a"], "label": "x"}, "wrong type: ['a'], a list,"),
        ({"text": "a", "label": 1.5}, "wrong type: label is a float"),
        ({"text": "a", "label": ["x"]}, "wrong type: label is a list"),
        ({"text": "a", "label": ""}, "label is empty"),
        ({"text": "a", "label": "x", "s": "high"}, "wrong type: severity is 'high'"),
        ({"text": "a", "label": "x", "s": True}, "wrong type: severity is 'True'"),
        ({"text": "a", "label": "x", "s": -1}, "wrong type: severity is '-1'"),
        ('{"text": "a\\u0000b", "label": "x", "s": 1}', "text: holds a NUL character"),
        ('{"text": "a\\ud800b", "label": "x", "s": 1}', "text: holds half of a surrogate pair"),
        ('{"text": "a", "label": NaN, "s": 1}', "label: nan is not a number"),
        ('{"text": "a", "label": "x", "s": Infinity}', "s: inf is not a number"),
        ({"text": "a" * (MAX_TEXT + 1), "label": "x"}, f"text: over {MAX_TEXT} characters"),
        ("{", "bad JSON: "),
        (b'{"text": "\xc3("}', "invalid UTF-8"),
    ],
)
def test_a_broken_row_is_rejected_and_the_rest_goes_on(tmp_path: Path, row: Any, reason: str) -> None:
    good = {"text": "good", "label": "x", "s": 1}
    if isinstance(row, dict) and "s" not in row:
        row = {**row, "s": 1}
    spec = write_task(tmp_path, {"test": [good, row, good]}, fields={"label": "label", "severity": "s"})
    loaded = load_task(spec)
    assert words(loaded.samples["test"]) == ["good", "good"]
    (reject,) = loaded.rejects
    assert (reject.file, reject.line) == ("test.jsonl", 2)
    assert reject.reason.startswith(reason)


def test_numbers_that_json_does_not_know_are_nobodys_business_in_columns_that_nobody_reads(
    tmp_path: Path,
) -> None:
    loaded = load_task(
        write_task(tmp_path, {"test": ['{"text": "a", "other": NaN}', '{"text": "b", "other": "\\u0000"}']})
    )
    assert words(loaded.samples["test"]) == ["a", "b"]


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    deep = '{"text": "a", "m": ' + "[" * 400 + "]" * 400 + "}"
    loaded = load_task(write_task(tmp_path, {"test": [deep]}, fields={"meta": {"m": "m"}}))
    assert words(loaded.samples["test"]) == ["a"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"prompt": "{{ txt }}"}, "prompt: no column 'txt' (did you mean 'text'?)"),
        ({"fields": {"label": "labl"}}, "fields.label: no column 'labl' (did you mean 'label'?)"),
        ({"fields": {"meta": {"a": "lable"}}}, "fields.meta.a: no column 'lable' (did you mean 'label'?)"),
        ({"fields": {"label": "{{ labl }}"}}, "fields.label: no column 'labl' (did you mean 'label'?)"),
        ({"prompt": "a {{ text }"}, "prompt: line 1 of the template: "),
        ({"prompt": "nothing"}, "prompt: uses no column"),
    ],
)
def test_what_is_wrong_for_every_row_is_the_yamls_fault(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    spec = write_task(tmp_path, {"test": [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]}, **keys)
    with pytest.raises(ConfigError) as caught:
        load_task(spec)
    assert f"t.yaml: {message}" in str(caught.value)


def test_the_key_of_a_sources_own_field_is_named(tmp_path: Path) -> None:
    source = {
        "files": "test.jsonl",
        "splits": {"test": "test"},
        "fields": {"label": "labl"},
        "where_not": {"x": "1"},
    }
    write_jsonl(tmp_path / "test.jsonl", [{"text": "a", "x": 2}])
    with pytest.raises(ConfigError, match=r"sources\.0\.fields\.label: no column 'labl'"):
        load_task(write_task(tmp_path, sources=[source]))


def test_filters_choose_rows_whatever_their_type(tmp_path: Path) -> None:
    rows = [{"text": str(n), "kind": kind} for n, kind in enumerate(["a", "b", 1, True, None])]
    source = {"files": "test.jsonl", "splits": {"test": "test"}}
    write_jsonl(tmp_path / "test.jsonl", rows)

    def kept(**filters: Any) -> list[str]:
        return words(load_task(write_task(tmp_path, sources=[{**source, **filters}])).samples["test"])

    assert kept(where={"kind": ["a", 1]}) == ["0", "2"]
    assert kept(where={"kind": "1"}) == ["2"]
    assert kept(where_not={"kind": ["a", True]}) == ["1", "2", "4"]
    with pytest.raises(ConfigError, match=r"sources\.0\.where: no column 'knd' \(did you mean 'kind'"):
        kept(where={"knd": "a"})


def test_csv_and_parquet_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\none,x\ntwo,\nragged\n", encoding="utf-8")
    pq.write_table(pa.table({"text": ["three"], "label": ["y"]}), tmp_path / "test.parquet")
    spec = write_task(
        tmp_path,
        sources=[{"files": {"train": "train.csv", "test": str(tmp_path / "test.parquet")}}],
        fields={"label": "label"},
    )
    loaded = load_task(spec)
    assert words(loaded.samples["train"]) == ["one", "two"]
    assert [sample.label for split in loaded.samples.values() for sample in split] == ["x", None, "y"]
    assert loaded.rejects == [Reject("train.csv", 4, "1 cells under 2 columns")]


def test_files_are_looked_for_beside_the_yaml_then_in_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir()
    root.mkdir()
    spec = write_task(home, {"test": texts("home")})
    write_jsonl(root / "test.jsonl", texts("root"))
    monkeypatch.setenv("LLMOOD_DATA", str(root))
    assert words(load_task(spec).samples["test"]) == ["home"]
    (home / "test.jsonl").unlink()
    assert words(load_task(spec).samples["test"]) == ["root"]


def test_a_missing_file_names_all_that_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = write_task(tmp_path, sources=[{"files": "d/{split}.jsonl", "splits": {"test": "test"}}])
    with pytest.raises(DataError, match=r"d/test\.jsonl \(set LLMOOD_DATA to the folder"):
        load_task(spec)
    monkeypatch.setenv("LLMOOD_DATA", "/nowhere")
    with pytest.raises(DataError) as caught:
        load_task(spec)
    assert str(tmp_path / "d/test.jsonl") in str(caught.value)
    assert "/nowhere/d/test.jsonl" in str(caught.value)


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = write_task(tmp_path, {"test": texts("a")})

    def denied(self: FileDigests, path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(FileDigests, "of", denied)
    with pytest.raises(DataError, match=r"test\.jsonl: permission denied$"):
        load_task(spec)


def test_half_of_a_source_is_refused_not_filled_up_from_the_next(tmp_path: Path) -> None:
    two = {"splits": {"train": "train", "test": "test"}}
    spec = write_task(
        tmp_path, sources=[{"files": "a_{split}.jsonl", **two}, {"files": "b_{split}.jsonl", **two}]
    )
    for name in ("a_train", "b_train", "b_test"):
        write_jsonl(tmp_path / f"{name}.jsonl", texts(name))
    with pytest.raises(DataError, match=r"only part of the data is there: no file .*a_test"):
        load_task(spec)
    (tmp_path / "a_train.jsonl").unlink()
    assert words(load_task(spec).samples["test"]) == ["b_test"]


def test_an_empty_split_says_what_was_rejected(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"t: the split 'test' holds no sample; 1 rows rejected, first test.jsonl:1: bad JSON"
    ):
        load_task(write_task(tmp_path, {"test": ["{"]}))
    with pytest.raises(DataError, match=r"the split 'test' holds no sample$"):
        load_task(write_task(tmp_path, {"test": [""]}))


def test_only_what_is_asked_for_comes_back(tmp_path: Path) -> None:
    spec = write_task(tmp_path, {"train": texts("a"), "test": texts("b"), "validation": texts("c")})
    assert list(load_task(spec).samples) == ["train", "validation", "test"]
    assert list(load_task(spec, ("test",)).samples) == ["test"]
    (tmp_path / "train.jsonl").unlink()
    assert list(load_task(spec, ("test",)).samples) == ["test"]


def test_repeated_rows_have_ids_of_their_own(tmp_path: Path) -> None:
    spec = write_task(tmp_path, {"test": [*texts("a", "a", "a"), {"text": "a", "c": ["x"]}]})
    assert len({sample.sample_id for sample in load_task(spec).samples["test"]}) == 4


def test_ids_know_task_split_and_choices(tmp_path: Path) -> None:
    rows = [{"text": "a", "c": ["x"]}]
    ids = {
        load_task(write_task(tmp_path, {split: rows}, name=name, fields=fields)).samples[split][0].sample_id
        for split in ("train", "test")
        for name in ("t", "u")
        for fields in ({}, {"choices": "c"})
    }
    assert len(ids) == 8


def test_the_limit_is_drawn_by_hash_and_keeps_the_order(tmp_path: Path) -> None:
    rows = texts(*map(str, range(50)))
    spec = write_task(tmp_path, {"test": rows})
    everything = words(load_task(spec).samples["test"])
    some = words(load_task(spec, limit=10).samples["test"])
    assert len(some) == 10
    assert some == sorted(some, key=everything.index)
    assert some != everything[:10]
    assert some != words(load_task(spec, limit=10, seed=1).samples["test"])
    assert words(load_task(spec, limit=99).samples["test"]) == everything


def test_rejects_can_be_written_as_json(tmp_path: Path) -> None:
    loaded = load_task(write_task(tmp_path, {"test": ['{"text": "\\ud800"}', {"text": "a"}]}))
    json.dumps([reject.reason for reject in loaded.rejects]).encode("utf-8")
