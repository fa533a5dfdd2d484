"""A file is whole or it isn't there: whatever happens while it is written, what stood there before stays."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmood.errors import StoreError
from llmood.tables import (
    CAPTURE_SCHEMAS,
    INDEX,
    SAMPLES,
    SCORES,
    atomic,
    read_table,
    write_json,
    write_table,
    write_text,
)

SCORE = {
    "sample_id": "a",
    "scorer": "length",
    "score": 1.5,
    "status": "ok",
    "reason": None,
    "fitted_on": None,
    "definition": None,
}


def no_space(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "scores.parquet"
    table = pa.Table.from_pylist([SCORE], schema=SCORES)
    write_table(path, table)
    assert read_table(path, SCORES).equals(table, check_metadata=True)
    assert read_table(path, SCORES, ["score"]).to_pylist() == [{"score": 1.5}]
    assert [entry.name for entry in path.parent.iterdir()] == ["scores.parquet"]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(tmp_path / name, pa.Table.from_pylist([SCORE], schema=SCORES))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_a_writer_that_raises_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "x"
    write_text(path, "old")

    def write_half() -> None:
        with atomic(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


WRITERS: list[Callable[[Path], None]] = [
    lambda path: write_text(path, "new"),
    lambda path: write_json(path, {"a": 1}),
    lambda path: write_table(path, pa.Table.from_pylist([SCORE], schema=SCORES)),
]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], place: str
) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    if place == "fsync":
        monkeypatch.setattr(os, "fsync", no_space)
    else:
        monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(
        StoreError, match=r"x: can't write: No space left on device \(what is finished is kept"
    ):
        write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_while_parquet_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def half(_: Any, where: Path, **__: Any) -> None:
        where.write_bytes(b"PAR1")
        no_space()

    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(StoreError, match="No space left"):
        write_table(path, pa.Table.from_pylist([SCORE], schema=SCORES))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't write"):
        write_text(tmp_path / "file" / "x", "text")


def test_json_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x", {"a": float("inf")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_what_is_no_parquet_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.parquet: can't be read as Parquet"):
        read_table(tmp_path / "x.parquet", SCORES)
    with pytest.raises(StoreError, match=r"absent\.parquet: can't be read"):
        read_table(tmp_path / "absent.parquet", SCORES)


@pytest.mark.parametrize(("version", "shown"), [(b"2", "2"), (None, "none")])
def test_another_schema_version_is_refused(tmp_path: Path, version: bytes | None, shown: str) -> None:
    metadata = {"llmood.schema_version": version} if version else None
    pq.write_table(
        pa.Table.from_pylist([SCORE], schema=SCORES.with_metadata(metadata)), tmp_path / "x.parquet"
    )
    with pytest.raises(StoreError, match=f"schema version {shown}, this llmood reads 1"):
        read_table(tmp_path / "x.parquet", SCORES)


def test_a_column_that_an_older_file_lacks_is_null(tmp_path: Path) -> None:
    older = pa.Table.from_pylist([SCORE], schema=SCORES).drop_columns(["fitted_on", "score"])
    write_table(tmp_path / "older.parquet", older.append_column("further", pa.array([7])))
    table = read_table(tmp_path / "older.parquet", SCORES)
    assert table.column_names == [*SCORES.names, "further"]
    assert table.select(SCORES.names).schema.equals(SCORES)
    assert table.to_pylist() == [{**SCORE, "score": None, "further": 7}]
    assert table.schema.metadata == SCORES.metadata
    chosen = read_table(tmp_path / "older.parquet", SCORES, ["score", "sample_id"])
    assert chosen.to_pylist() == [{"score": None, "sample_id": "a"}]
    assert chosen.schema.field("score").type == pa.float64()


def test_each_schema_has_a_version_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = SCORES.with_metadata({**SCORES.metadata, b"llmood.schema_version": b"2"})
    write_table(tmp_path / "scores.parquet", pa.Table.from_pylist([SCORE], schema=newer))
    assert read_table(tmp_path / "scores.parquet", newer).num_rows == 1
    with pytest.raises(StoreError, match="schema version 2, this llmood reads 1"):
        read_table(tmp_path / "scores.parquet", SCORES)


def test_the_contract_columns() -> None:
    # DESIGN, "Run folder": adding a column is fine, renaming or losing one isn't.
    promised = {
        "samples": "sample_id task population split shift severity domain label group parent_id language messages "
        "prompt references choices images meta source_line",
        "scores": "sample_id scorer score status reason fitted_on",
        "observation_index": "sample_id capture key shard row draw",
        "prompt_logprobs": "key status reason token_ids logprobs spans",
        "prompt_moments": "key status reason token_ids logprob_mean logprob_std spans",
        "response": "key status reason text token_ids logprobs finish temperature top_p seed "
        "entropy top_ids top_logprobs residual_mass",
    }
    promised |= {
        "next_token": "key status reason top_ids top_logprobs residual_mass entropy label_ids label_logits",
        "generations": promised["response"],
        "hidden_states": "key status reason layer position token_index shard row dim dtype",
        "attention": "key status reason layer head statistic values",
        "equivalence": "key status reason cluster contradiction entailment",
        "embedding": "key status reason vector",
        "nli": "key status reason probabilities",
    }
    schemas = [SAMPLES, SCORES, INDEX, *CAPTURE_SCHEMAS.values()]
    for schema in schemas:
        name = schema.metadata[b"llmood.schema"].decode()
        assert set(promised[name].split()) <= set(schema.names), name
        assert schema.metadata[b"llmood.schema_version"] == b"1"
    assert SCORES.field("score").type == pa.float64()
    assert CAPTURE_SCHEMAS["prompt_logprobs"].field("logprobs").type == pa.list_(pa.float32())


def test_two_that_write_one_file_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with atomic(path) as one:
        one.write_text("one")
        with atomic(path) as other:  # of another process with the same number, in another container
            other.write_text("other")
        assert path.read_text() == "other"
    assert path.read_text() == "one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # a device, /dev/null say, is as easily lost
    for path in (pipe, tmp_path):
        with pytest.raises(StoreError, match="is no file"), atomic(path) as partial:
            partial.write_text("", encoding="utf-8")
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
