"""Identity is content: digests are stable, and a memo never outlives what it was made of."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from llmood.identity import FileDigests, canonical_json, digest, digest_bytes
from llmood.paths import cache_root


def test_the_order_of_keys_is_no_part_of_a_value() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "ü"}) == '{"a":"ü","b":[1,2.5,null]}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest([1, 2]) != digest([2, 1])


def test_digests_are_the_first_128_bits_of_sha256() -> None:
    assert digest_bytes(b"abc") == hashlib.sha256(b"abc").hexdigest()[:32]
    # Golden: a changed value makes every key of every store another.
    assert digest({"a": [1, "x"]}) == "5e49f471d8b615a8ae0ecf0a53dbe2f5"


def test_a_non_finite_number_has_no_identity() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"a": float("nan")})


def test_half_a_character_has_an_identity() -> None:
    assert digest("\ud800") != digest("\udfff")


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first = FileDigests().of(path)
    assert first == digest_bytes(b"one")

    def refuse(*_: object) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    assert FileDigests().of(path) == first


@pytest.mark.parametrize(
    ("content", "later_by"), [(b"two", 1_000_000), (b"longer", 0)], ids=["mtime", "size"]
)
def test_a_changed_file_is_hashed_again(tmp_path: Path, content: bytes, later_by: int) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    stamp = 1_700_000_000_000_000_000
    os.utime(path, ns=(stamp, stamp))
    FileDigests().of(path)
    path.write_bytes(content)
    os.utime(path, ns=(stamp, stamp + later_by))
    assert FileDigests().of(path) == digest_bytes(content)


def test_several_files_are_told_apart_by_name_and_content(tmp_path: Path) -> None:
    for name, content in {"a": b"1", "b": b"2"}.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / "a", tmp_path / "b"]
    together = FileDigests().of_all(paths)
    assert FileDigests().of_all(reversed(paths)) == together
    (tmp_path / "a").rename(tmp_path / "c")
    assert FileDigests().of_all([tmp_path / "c", tmp_path / "b"]) != together


@pytest.mark.parametrize("memo", [b"not json", b"[]", b"\xff", b'{"x": 3}'])
def test_a_damaged_memo_is_an_empty_one(tmp_path: Path, memo: bytes) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    known = tmp_path / "memo.json"
    known.write_bytes(memo.replace(b'"x"', json.dumps(str(path)).encode()))
    assert FileDigests(known).of(path) == digest_bytes(b"one")


def test_a_memo_without_its_digest_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    known = tmp_path / "memo.json"
    known.write_text(json.dumps({str(path.resolve()): [3, path.stat().st_mtime_ns]}))
    assert FileDigests(known).of(path) == digest_bytes(b"one")


def test_a_memo_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    memo = path / "memo.json"  # below a file: can't be made
    assert FileDigests(memo).of(path) == digest_bytes(b"one")


def test_the_memo_stands_in_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    FileDigests().of(path)
    assert list(json.loads((cache_root() / "file_digests.json").read_text())) == [str(path.resolve())]
