"""Files of records scored row by row: order, places, reasons, and going on where it broke off."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmood.errors import ConfigError
from llmood.progress import Progress
from llmood.traffic import score_stream
from llmood.traffic.reading import rows_of_stream
from llmood.traffic.words import said
from tests.unit.traffic.stand_in import LONG, Lengths, scoring, summary_of
from tests.unit.traffic.stand_in import scored as file_scored

RECORDS = [{"id": f"q{place}", "text": "a" * (place % 9)} for place in range(50)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_come_in_order_with_their_places(source: Path, tmp_path: Path) -> None:
    scored = file_scored(scoring(Lengths(), keep=["text"]), source, tmp_path / "out.jsonl")
    rows = rows_of(scored.path)
    assert [(row["row"], row["line"], row["id"]) for row in rows] == [
        (n, n, f"q{n - 1}") for n in range(1, 51)
    ]
    assert [row["text"] for row in rows] == [record["text"] for record in RECORDS]
    assert [row["score"] for row in rows] == [float(len(record["text"])) or None for record in RECORDS]
    assert {row["status"] for row in rows} == {"ok", "unscored"}
    of = [row for row in rows if row["status"] == "ok"]
    (share, rate, *_) = scored.summary.records()
    assert rate.value == sum(row["flag"] for row in of) / len(of)
    assert rate.ci_low is not None
    assert rate.ci_low < rate.value
    assert (share.n, share.n_positive) == (50, len(of))
    assert not list(tmp_path.glob(".*partial*"))


@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.jsonl"])
@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "out.jsonl"])
def test_every_format_says_the_same(tmp_path: Path, name: str, output: str) -> None:
    records = [{"id": f"q{place}", "text": "é" * (1 + place % 9)} for place in range(30)]
    source = tmp_path / name
    if name.endswith(".csv"):
        with source.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["id", "text"])
            writer.writeheader()
            writer.writerows(records)
    elif name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(records), source)
    else:
        source.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    path = file_scored(scoring(Lengths(), keep=["text"]), source, tmp_path / output).path
    found = read(path)
    assert [(row["id"], row["text"]) for row in found] == [(each["id"], each["text"]) for each in records]
    assert [float(row["score"]) for row in found] == [len(each["text"]) for each in records]
    assert [str(row["flag"]) for row in found] == [str(len(each["text"]) > LONG) for each in records]


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    return pq.read_table(path).to_pylist() if path.suffix == ".parquet" else rows_of(path)


def test_rows_that_cannot_be_read_keep_their_place(tmp_path: Path) -> None:
    lines = [
        b'{"text": "abc"}',
        b"not json",
        b'{"text": "nul \0"}',
        b'["a", "list"]',
        b'{"text": "\xff"}',
        b"",
        b'{"text": "' + b"x" * 10_000_000 + b'"}',
        b'{"other": 1}',
        b'{"text": "\\ud800", "id": "\\ud800"}',
        b'{"text": "last", "id": {"a": NaN}}',
    ]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    scored = file_scored(scoring(Lengths(), keep=["other"]), path, tmp_path / "out.jsonl")
    rows = rows_of(scored.path)
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5, 7, 8, 9, 10]
    assert [row["status"] for row in rows] == ["ok", *["failed"] * 6, "ok", "ok"]
    reasons = " ".join(str(row["reason"]) for row in rows)
    for part in ("bad JSON", "NUL", "not an object", "invalid UTF-8", "line over", "no text"):
        assert part in reasons
    assert scored.summary.failed == 6
    assert rows[-1]["id"] == "{'a': nan}"
    assert rows[6]["other"] == 1
    for output in ("out.csv", "out.parquet"):
        assert file_scored(scoring(Lengths()), path, tmp_path / output).summary.rows == 9


@pytest.mark.parametrize("breaks_at", [0, 1, 7, 8, 20, 49])
def test_it_goes_on_where_it_broke_off(source: Path, tmp_path: Path, breaks_at: int) -> None:
    whole = file_scored(scoring(Lengths()), source, tmp_path / "whole.jsonl")
    target = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        file_scored(scoring(Lengths(breaks_at)), source, target)
    assert not target.exists()
    rest = Lengths()
    again = file_scored(scoring(rest), source, target)
    assert rest.seen == 50 - 7 * (breaks_at // 7)
    assert target.read_bytes() == whole.path.read_bytes()
    assert again.summary.records() == whole.summary.records()


def test_what_was_written_after_the_last_note_is_cut_off(source: Path, tmp_path: Path) -> None:
    whole = file_scored(scoring(Lengths()), source, tmp_path / "whole.jsonl")
    with pytest.raises(KeyboardInterrupt):
        file_scored(scoring(Lengths(20)), source, tmp_path / "out.jsonl")
    with (tmp_path / ".out.jsonl.partial").open("ab") as stream:
        stream.write(b'{"row": 15, "half a li')
    assert file_scored(scoring(Lengths()), source, tmp_path / "out.jsonl").path.read_bytes() == (
        whole.path.read_bytes()
    )


@pytest.mark.parametrize("how", ["a row more", "fewer bytes", "no row", "a byte", "below 0", "a link"])
def test_a_partial_file_that_was_changed_is_refused(source: Path, tmp_path: Path, how: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        file_scored(scoring(Lengths(20)), source, tmp_path / "out.jsonl")
    rows, note = tmp_path / ".out.jsonl.partial", tmp_path / ".out.jsonl.partial.json"
    state, content = json.loads(note.read_text(encoding="utf-8")), rows.read_bytes()
    changes = {
        "a row more": {"rows": state["rows"] + 1},
        "fewer bytes": {"bytes": state["bytes"] - 9},
        "below 0": {"bytes": -1},
    }
    note.write_text(json.dumps({**state, **changes.get(how, {})}), encoding="utf-8")
    if how == "no row":
        rows.write_bytes(b"[" + content[1:])
    elif how == "a byte":
        rows.write_bytes(b"\xff" + content[1:])
    elif how == "a link":
        rows.rename(tmp_path / "elsewhere")
        rows.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"not what was written|damaged|can't be written"):
        file_scored(scoring(Lengths()), source, tmp_path / "out.jsonl")
    if how == "a link":
        assert (tmp_path / "elsewhere").read_bytes() == content
    else:
        assert (
            file_scored(scoring(Lengths()), source, tmp_path / "out.jsonl", overwrite=True).summary.rows == 50
        )


def test_another_input_or_detector_is_refused(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        file_scored(scoring(Lengths(20)), source, target)
    other = scoring(Lengths())
    other = replace(other, identity="another")
    with pytest.raises(ConfigError, match="begun with another detector"):
        file_scored(other, source, target)
    source.write_text(source.read_text(encoding="utf-8") + '{"text": "more"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="begun with another input"):
        file_scored(scoring(Lengths()), source, target)
    assert file_scored(scoring(Lengths()), source, target, overwrite=True).summary.rows == 51
    with pytest.raises(ConfigError, match="is there already"):
        file_scored(scoring(Lengths()), source, target)


def test_a_name_without_a_format_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown format"):
        file_scored(scoring(Lengths()), source, tmp_path / "out.txt")
    with pytest.raises(ConfigError, match="no such file"):
        file_scored(scoring(Lengths()), tmp_path / "none.jsonl", tmp_path / "out.jsonl")


def test_a_stream_is_scored_as_it_comes() -> None:
    written: list[dict[str, Any]] = []
    lines = "".join(json.dumps(record) + "\n" for record in RECORDS) + "no json\n"
    stream, own = rows_of_stream(io.BytesIO(lines.encode())), scoring(Lengths())
    summary = score_stream(own, stream, written.extend, summary_of(own), Progress())
    assert [row["row"] for row in written] == list(range(1, 52))
    assert (summary.rows, summary.failed) == (51, 1)


class Said(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_a_column_that_no_row_has_is_said() -> None:
    progress, working = Said(), scoring(Lengths(), keep=["user", "text"])
    rows = rows_of_stream(io.BytesIO(b'{"text": "a"}\n{"text": "b"}\n'))
    score_stream(working, rows, lambda _: None, summary_of(working), progress)
    assert progress.lines == ["--keep user: none of the first 2 rows has that column"]


def test_a_stability_that_chance_gives_is_no_shift() -> None:
    record = {"metric": "drift_psi", "params": {"expected": 8.1}, "value": 0.3, "n_positive": None, "n": 1}
    assert said(record) == "no shift to speak of; about 8.1 without any shift"
    assert said({**record, "value": 8.4}).startswith("a large shift")
