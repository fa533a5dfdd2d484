from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmood.errors import ConfigError, DataError
from llmood.tasks import load_task
from tests.task_files import texts, write_jsonl, write_task

CARD = """---
configs:
- config_name: plus
  data_files:
  - {split: train, path: train.parquet}
  - {split: test, path: test.parquet}
dataset_info:
- config_name: plus
  features:
  - {name: text, dtype: string}
  - name: intent
    dtype:
      class_label:
        names: {'0': greet, '1': oos}
---
"""
SOURCE = {
    "hub": "data",
    "config": "plus",
    "splits": {"train": "train", "test": "test"},
    "fields": {"label": "intent"},
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set as the hub has it: Parquet files, and a card that names splits and features."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "README.md").write_text(CARD, encoding="utf-8")
    for split, rows in {
        "train": [("hi", 0), ("hmm", 1)],
        "test": [("hello", 0), ("eh", 1), ("who", -1)],
    }.items():
        labels = pa.array([label for _, label in rows], pa.int64())
        pq.write_table(
            pa.table({"text": [text for text, _ in rows], "intent": labels}), data / f"{split}.parquet"
        )
    return tmp_path


def test_a_folder_of_the_hubs_form_is_read_and_labels_are_names(folder: Path) -> None:
    loaded = load_task(write_task(folder, sources=[SOURCE]))
    assert [(one.text, one.label) for one in loaded.samples["test"]] == [
        ("hello", "greet"),
        ("eh", "oos"),
        ("who", None),
    ]
    assert loaded.samples["test"][1].source_line == "data/plus/test:2"
    assert loaded.source["kind"] == "hub"
    assert (loaded.source["hub"], loaded.source["config"], loaded.source["revision"]) == (
        "data",
        "plus",
        None,
    )
    assert set(loaded.source["fingerprints"]) == {"train", "test"}
    assert loaded.checks == []


def test_filters_see_the_names_and_lines_count_every_row(folder: Path) -> None:
    loaded = load_task(write_task(folder, sources=[{**SOURCE, "where_not": {"intent": "greet"}}]), ("test",))
    assert [(one.text, one.source_line) for one in loaded.samples["test"]] == [
        ("eh", "data/plus/test:2"),
        ("who", "data/plus/test:3"),
    ]


def test_a_column_that_is_not_there(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"sources\.0\.fields\.label: no column 'intnt' \(did you mean 'intent'"
    ):
        load_task(write_task(folder, sources=[{**SOURCE, "fields": {"label": "intnt"}}]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": "minus"}, "data/minus: split 'train': BuilderConfig 'minus' not found"),
        ({"splits": {"test": "nosuch"}}, "data/plus: split 'nosuch': Unknown split"),
        ({"hub": "data2"}, "data2/plus: split 'train': "),
    ],
)
def test_what_the_hub_lacks_is_one_line(folder: Path, change: dict[str, object], message: str) -> None:
    (folder / "data2").mkdir()
    with pytest.raises(DataError) as caught:
        load_task(write_task(folder, sources=[{**SOURCE, **change}]))
    assert "\n" not in str(caught.value)
    assert message in str(caught.value)


def test_offline_and_not_downloaded_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_task(write_task(tmp_path, sources=[{"hub": "nobody/nothing", "splits": {"test": "test"}}]))
    assert "\n" not in str(caught.value)
    assert "nobody/nothing: split 'test': " in str(caught.value)
    assert "LLMOOD_DATA" in str(caught.value)


def test_the_sources_are_tried_in_order(folder: Path) -> None:
    files = {"files": "{split}.jsonl", "splits": {"test": "test"}}
    spec = write_task(folder, sources=[files, SOURCE])
    assert load_task(spec, ("test",)).source["kind"] == "hub"
    write_jsonl(folder / "test.jsonl", texts("local"))
    assert load_task(spec, ("test",)).source["kind"] == "files"


def test_when_no_source_is_there_all_are_named(tmp_path: Path) -> None:
    files = {"files": "{split}.jsonl", "splits": {"test": "test"}}
    with pytest.raises(DataError) as caught:
        load_task(
            write_task(tmp_path, sources=[files, {"hub": "nobody/nothing", "splits": {"test": "test"}}])
        )
    assert "test.jsonl; nobody/nothing: split 'test': " in str(caught.value)
    assert "set LLMOOD_DATA" in str(caught.value)


def test_a_hub_source_without_a_revision_is_said_to_be_unpinned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # From the working directory `datasets` takes a folder as it takes a hub name; beside the YAML there is none.
    monkeypatch.chdir(folder)
    home = folder / "home"
    home.mkdir()
    checks = load_task(write_task(home, sources=[SOURCE])).checks
    assert [check.code for check in checks] == ["unpinned"]
