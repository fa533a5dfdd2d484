from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmood.errors import ConfigError, DataError
from llmood.records import Reject
from llmood.tasks import read
from llmood.tasks.read import read_rows

GOOD = b'{"text": "good"}'


def rows(path: Path) -> list[Any]:
    return list(read_rows(path, path.name))


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "X.JSONL", "a.b.jsonl"])
def test_jsonl_counts_lines_and_skips_blank_ones(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n{"text": "b\\u2028c"}')
    assert rows(path) == [(1, {"text": "a"}), (4, {"text": "b\u2028c"})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a"', "bad JSON: "),
        (b"nonsense", "bad JSON: "),
        (b'["a"]', "wrong type: the row is a list, not an object"),
        (b'"a"', "wrong type: the row is a str"),
        (b"null", "wrong type: the row is a NoneType"),
        (b"3", "wrong type: the row is an int, not an object"),
        (b'{"text": "a\x01b"}', "bad JSON: Invalid control character at character 12"),
        (b'{"text": "\xff"}', "invalid UTF-8 at byte 10"),
        (b'{"text": "a\x00b"}', "holds a NUL character"),
        (b"\x00", "holds a NUL character"),
        (b'{"n": ' + b"1" * 5000 + b"}", "bad JSON: "),
        (b"[" * 100_000, "bad JSON: "),
        (b'{"text": "a", "text": "b"}', "bad JSON: the key 'text' is written twice"),
        (b'{"text": [{"a": 1, "b": 2, "a": 1}]}', "bad JSON: the key 'a' is written twice"),
    ],
)
def test_a_broken_line_is_rejected_and_the_rest_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    found = rows(written(tmp_path, "x.jsonl", b"\n".join([GOOD, line, GOOD])))
    assert found[0] == (1, {"text": "good"})
    assert found[2] == (3, {"text": "good"})
    assert isinstance(found[1], Reject)
    assert (found[1].file, found[1].line) == ("x.jsonl", 2)
    assert found[1].reason.startswith(reason)


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.csv.gz"])
def test_a_line_without_end_is_never_held(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_LINE", 100)
    header, good = (b"text\n", b"good") if "csv" in name else (b"", GOOD)
    found = rows(written(tmp_path, name, header + good + b"\n" + b"x" * 100_000 + b"\n" + good + b"\n"))
    assert [isinstance(row, Reject) for row in found] == [False, True, False]
    assert "line over 100 bytes" in found[1].reason
    assert found[2][1] == {"text": "good"}


def test_csv_keeps_line_numbers_over_fields_of_many_lines(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbftext,label\r\n"a\nb\n\nc",1\n\nd,\n"e, ""f""",3\n'
    assert rows(written(tmp_path, "x.csv", content)) == [
        (2, {"text": "a\nb\n\nc", "label": "1"}),
        (7, {"text": "d", "label": None}),
        (8, {"text": 'e, "f"', "label": "3"}),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a", "1 cells under 2 columns"),
        (b"a,b,c", "3 cells under 2 columns"),
        (b"a\xff,b", "invalid UTF-8"),
        (b"a\x00,b", "holds a NUL character"),
        (b'"a"b,c', "bad CSV: "),
    ],
)
def test_a_broken_csv_row_is_rejected_and_the_rest_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    found = rows(written(tmp_path, "x.csv", b"text,label\n" + line + b"\ngood,1\n"))
    assert isinstance(found[0], Reject)
    assert found[0].line == 2
    assert found[0].reason.startswith(reason)
    assert found[1] == (3, {"text": "good", "label": "1"})


def test_a_quote_that_never_closes_is_rejected(tmp_path: Path) -> None:
    found = rows(written(tmp_path, "x.csv", b'text\ngood\n"bad\nmore\n'))
    assert found[0] == (2, {"text": "good"})
    assert found[1:] == [Reject("x.csv", 3, "bad CSV: unexpected end of data"), (4, {"text": "more"})]


@pytest.mark.parametrize("end", [b"", b'x,say "hi"\n', b'a 5",1\n', b'"quoted",1\n', b'"two\nlines",1\n'])
def test_a_stray_quote_takes_no_other_row_along(tmp_path: Path, end: bytes) -> None:
    good = [b"%d,a\n" % number for number in range(1050)]
    content = b"".join([b"text,label\n", *good[:50], b'"stray quote here\n', *good[50:], end])
    found = rows(written(tmp_path, "x.csv", content))
    assert isinstance(found[50], Reject)
    assert found[50].line == 52
    assert found[50].reason.startswith("bad CSV: ")
    rest = found[:50] + found[51:]
    assert rest[:1050] == [(n + 2 + (n >= 50), {"text": str(n), "label": "a"}) for n in range(1050)]
    # The row that closes the quote is read as well, on its own line.
    assert [row[0] for row in rest[1050:]] == [1053] * bool(end)


def test_a_ragged_csv_row_of_several_lines_takes_no_other_row_along(tmp_path: Path) -> None:
    content = b'text,label\n"stray\ngood,1\nbad",2,3\ngood,4\n'
    assert rows(written(tmp_path, "x.csv", content)) == [
        Reject("x.csv", 2, "3 cells under 2 columns"),
        (3, {"text": "good", "label": "1"}),
        Reject("x.csv", 4, "3 cells under 2 columns"),
        (5, {"text": "good", "label": "4"}),
    ]


def test_a_long_csv_field_is_read(tmp_path: Path) -> None:
    (row,) = rows(written(tmp_path, "x.csv", b"text\n" + b"x" * 500_000))
    assert len(row[1]["text"]) == 500_000


@pytest.mark.parametrize("header", [b"", b"\n", b"a,a\n", b"a,\n", b'"a"b\n'])
def test_csv_needs_a_header(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(DataError, match=r"x\.csv:1: "):
        rows(written(tmp_path, "x.csv", header + b"1,2\n" if header else b""))


def test_parquet_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": ["a", None], "choices": [["x", "y"], []]}), path)
    assert rows(path) == [(1, {"text": "a", "choices": ["x", "y"]}), (2, {"text": None, "choices": []})]


def test_a_parquet_file_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), path)
    with pytest.raises(DataError, match=r"^x\.parquet: two columns bear one name"):
        rows(path)


def test_a_parquet_text_that_is_no_utf8_is_rejected(tmp_path: Path) -> None:
    broken = pa.array([b"good", b"\xff", b"good"], pa.binary()).view(pa.string())
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": broken}), path)
    assert rows(path) == [
        (1, {"text": "good"}),
        Reject("x.parquet", 2, "invalid UTF-8 at byte 0"),
        (3, {"text": "good"}),
    ]


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl.gz", "x.csv.gz"])
def test_a_file_that_is_something_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is plain text\n" * 10)
    with pytest.raises(DataError, match=f"^{name}: ") as caught:
        rows(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_gzip_says_where(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    lines = b"".join(b'{"text": "%d"}\n' % (number * 7919) for number in range(50_000))
    path.write_bytes(gzip.compress(lines)[:-5000])
    with pytest.raises(DataError, match=r"x\.jsonl\.gz: is damaged after line [1-9]\d+: "):
        rows(path)


@pytest.mark.parametrize("name", ["x.json", "x.txt", "x", "x.parquet.gz", "x.gz"])
def test_an_unknown_format_names_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown format .*\.jsonl\.gz"):
        rows(written(tmp_path, name, b"x"))


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(DataError, match=r"x\.jsonl: is a directory"):
        rows(tmp_path / "x.jsonl")


def test_lines_that_end_with_a_carriage_return_alone_are_said(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_bytes(b"id,text\r1,a\r")
    with pytest.raises(DataError, match="lines end with LF or CRLF"):
        list(read_rows(tmp_path / "old.csv", "old.csv"))
