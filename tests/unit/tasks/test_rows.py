"""The `rows` that a source's YAML writes down, and filters by templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.errors import ConfigError
from llmood.records import SPLITS, Check, Message, Sample
from llmood.tasks import LoadedTask, load_task
from llmood.tasks.rows import rows_differ
from tests.task_files import texts, write_task

SPLIT_NAMES = {"train": "train", "test": "test"}
WORDS = [f"word {number}" for number in range(40)]


def differing(loaded: LoadedTask) -> list[Check]:
    return [check for check in loaded.checks if check.code == "rows_differ"]


def declared(rows: dict[str, int], **keys: Any) -> list[dict[str, Any]]:
    return [{"files": "{split}.jsonl", "splits": SPLIT_NAMES, "rows": rows, **keys}]


def test_both_counts_are_named() -> None:
    sample = Sample("", "t", "test", (Message("user", "x"),))
    (check,) = rows_differ(
        "t", {"train": 2, "test": 1_200, "validation": 5}, {"train": [sample] * 2, "test": [sample]}
    )
    assert (check.severity, check.task) == ("warning", "t")
    assert check.values == {"test_found": 1, "test_declared": 1_200}
    assert "test has 1 instead of 1,200" in check.detail
    assert "train" not in check.detail


def test_what_was_not_written_down_or_not_read_is_not_compared() -> None:
    sample = Sample("", "t", "test", (Message("user", "x"),))
    assert rows_differ("t", {}, {"test": [sample]}) == []
    assert rows_differ("t", {"train": 7, "test": 1}, {"test": [sample]}) == []


def test_neither_limit_nor_carving_changes_what_was_found(tmp_path: Path) -> None:
    splits = {"train": texts(*WORDS), "test": texts("x", "y")}
    spec = write_task(tmp_path, splits, sources=declared({"train": 40, "test": 2}))
    loaded = load_task(spec, SPLITS, limit=1)
    assert set(loaded.carved) == {"validation", "calibration"}
    assert differing(loaded) == []


def test_only_the_splits_that_are_read_are_compared(tmp_path: Path) -> None:
    splits = {"train": texts(*WORDS), "test": texts("x", "y")}
    spec = write_task(tmp_path, splits, sources=declared({"train": 1, "test": 2}))
    assert differing(load_task(spec, ["test"])) == []
    (check,) = differing(load_task(spec))
    assert check.values == {"train_found": 40, "train_declared": 1}


def test_rejects_and_filters_are_not_counted(tmp_path: Path) -> None:
    splits = {"train": texts("a", "b", " "), "test": texts("x", "leave", "y")}
    spec = write_task(
        tmp_path, splits, sources=declared({"train": 2, "test": 2}, where_not={"text": "leave"})
    )
    loaded = load_task(spec)
    assert len(loaded.rejects) == 1
    assert differing(loaded) == []


def test_what_leaves_train_is_not_counted(tmp_path: Path) -> None:
    splits = {"train": texts("a", "b", "x"), "test": texts("x", "y")}
    spec = write_task(tmp_path, splits, sources=declared({"train": 2, "test": 2}), overlap="leave_train")
    assert differing(load_task(spec)) == []


def filtered(folder: Path, **keys: Any) -> list[str]:
    rows = [{"text": text, "n": number} for number, text in enumerate(("a b", "b c", "c"))]
    spec = write_task(folder, {"test": rows}, sources=[{"files": {"test": "test.jsonl"}, **keys}])
    return [sample.text for sample in load_task(spec).samples["test"]]


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ({"where": {"{{ text.split() | length | string }}": 2}}, ["a b", "b c"]),
        ({"where_not": {"{{ text }}/{{ n | string }}": ["b c/1", "c/9"]}}, ["a b", "c"]),
        ({"where": {"{{ 'yes' if 'b' in text else 'no' }}": "yes"}, "where_not": {"n": 0}}, ["b c"]),
        ({"where": {"{{ text[0] }}": ["b", "c"], "{{ text[-1] }}": "c", "n": [1, 2]}}, ["b c", "c"]),
    ],
)
def test_a_filter_may_be_a_template(keys: dict[str, Any], kept: list[str], tmp_path: Path) -> None:
    assert filtered(tmp_path, **keys) == kept


def test_a_filter_of_a_missing_column_names_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources\.0\.where: no column 'words'"):
        filtered(tmp_path, where={"{{ words[0] }}": "a", "n": 1})
