"""Which file is which split."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmood.errors import ConfigError, DataError
from llmood.scaffold import find_splits, read_head
from llmood.scaffold.files import KEPT, stem
from tests.task_files import texts, write_jsonl


def files(folder: Path, *names: str) -> None:
    for name in names:
        write_jsonl(folder / name, texts("a"))


def found(given: Path) -> dict[str, str]:
    return {split: path.name for split, path in find_splits(given).items()}


def test_one_file_is_train(tmp_path: Path) -> None:
    files(tmp_path, "mine.jsonl")
    assert found(tmp_path / "mine.jsonl") == {"train": "mine.jsonl"}
    with pytest.raises(DataError, match=r"no file '.*min.jsonl' \(did you mean 'mine.jsonl'"):
        find_splits(tmp_path / "min.jsonl")
    with pytest.raises(DataError, match="there is no folder"):
        find_splits(tmp_path / "nowhere" / "min.jsonl")


def test_a_name_with_split(tmp_path: Path) -> None:
    files(tmp_path, "q_train.jsonl", "q_dev.jsonl", "q_test.jsonl", "q_other.jsonl")
    assert found(tmp_path / "q_{split}.jsonl") == {
        "train": "q_train.jsonl",
        "validation": "q_dev.jsonl",
        "test": "q_test.jsonl",
    }
    with pytest.raises(DataError, match=r"no file '.*x_\{split\}.jsonl'"):
        find_splits(tmp_path / "x_{split}.jsonl")


def test_a_folder(tmp_path: Path) -> None:
    files(tmp_path, "train.jsonl", "my-val.jsonl", "Test.jsonl.gz", "notes.txt", "latest.jsonl")
    assert found(tmp_path) == {"train": "train.jsonl", "validation": "my-val.jsonl", "test": "Test.jsonl.gz"}
    files(tmp_path, "train.csv")
    with pytest.raises(
        ConfigError, match=r"train.csv and train.jsonl may both be 'train' \(say which: --train"
    ):
        find_splits(tmp_path)


def test_a_folder_that_does_not_tell(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.jsonl"):
        find_splits(tmp_path)
    files(tmp_path, "one.jsonl")
    assert found(tmp_path) == {"train": "one.jsonl"}
    files(tmp_path, "two.jsonl")
    with pytest.raises(ConfigError, match=r"no file's name says its split: one.jsonl, two.jsonl"):
        find_splits(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mine.jsonl", "mine"),
        ("my data-v2.csv.gz", "my_data_v2"),
        ("bank_train.parquet", "bank"),
        ("bank_{split}.jsonl", "bank"),
        ("train.jsonl", ""),
        ("вопросы.jsonl", ""),
        ("a.b.jsonl", "a_b"),
    ],
)
def test_a_files_name_without_what_is_no_name(name: str, expected: str) -> None:
    assert stem(Path(name)) == expected


def test_the_head_counts_to_the_end(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "x.jsonl", [*texts(*map(str, range(KEPT + 5))), "broken", "broken too"])
    head = read_head(path)
    assert (len(head.rows), head.count, head.rejects) == (KEPT, KEPT + 5, 2)
    assert head.rows[0] == {"text": "0"}
    assert head.first_reject is not None
    assert head.first_reject.line == KEPT + 6


def test_a_file_without_rows(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "x.jsonl", ["broken"])
    with pytest.raises(
        DataError, match=r"x.jsonl: holds no row; 1 can't be read, the first: line 1: bad JSON"
    ):
        read_head(path)
    with pytest.raises(DataError, match=r"x.jsonl: holds no row \("):
        read_head(write_jsonl(path, []))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "text,label\ncafé,1\n".encode("latin-1"),
            "holds no row; 1 can't be read, the first: line 2: invalid",
        ),
        ("café,label\na,1\n".encode("latin-1"), ":1: the header: invalid UTF-8 (save the file as UTF-8"),
        ("text,label\na,1\n".encode("utf-16"), ":1: the header: invalid UTF-8 (save the file as UTF-8"),
        ("text,label\na,1\n".encode("utf-16-le"), ":1: the header: holds a NUL character"),
    ],
)
def test_a_csv_in_another_encoding_says_how_to_put_it_right(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError) as found:
        read_head(tmp_path / "x.csv")
    assert said in str(found.value)
    assert "iconv" in str(found.value)
    assert "JSON" not in str(found.value)


def test_each_format_is_told_its_own_form(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,label\n1\n")
    with pytest.raises(DataError, match=r"1 cells under 2 columns \(a row is one line of cells below"):
        read_head(tmp_path / "x.csv")
    with pytest.raises(DataError, match=r"holds no row \(a row is one JSON object"):
        read_head(write_jsonl(tmp_path / "x.jsonl", []))
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet: holds no row$"):
        read_head(tmp_path / "x.parquet")
