"""The observation store: shards named by their content, whole or not there, damaged ones passed over."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from llmood.engines.store import Context, Location, Store
from llmood.errors import StoreError
from llmood.identity import digest_bytes
from llmood.paths import cache_root
from llmood.tables import CAPTURE_SCHEMAS

IDENTITY = {"engine": {"engine": "fake", "model": "m"}, "target": "prompt", "params": {}}


@pytest.fixture
def context() -> Context:
    return Store().context("prompt_logprobs", IDENTITY)


def row(key: str, *logprobs: float, status: str = "ok") -> dict[str, Any]:
    return {"key": key, "status": status, "token_ids": [1, 2], "logprobs": [None, *logprobs], "spans": []}


def path_of(context: Context, place: Location) -> Path:
    return context.store.root / place.shard


def test_what_is_appended_is_found_and_read(context: Context) -> None:
    appended = context.append([row("a", -1.0), row("b", -2.0)]) | context.append([row("c", -3.0)])
    assert context.locate({"a", "b", "c", "d"}) == appended
    assert appended["b"].row == 1
    assert appended["a"].shard == appended["b"].shard != appended["c"].shard
    table = context.store.read(appended["a"].shard)
    assert table.schema.names == CAPTURE_SCHEMAS["prompt_logprobs"].names
    assert table["logprobs"].to_pylist() == [[None, -1.0], [None, -2.0]]
    assert context.store.read(appended["c"].shard, ["key"]).to_pylist() == [{"key": "c"}]


@pytest.mark.parametrize(
    "described",
    [
        "{}",
        "[]",
        "null",
        "{",
        '{"engine": 5, "kind": "k", "target": "t", "params": {}}',
        '{"engine": {}, "kind": "k", "target": "t", "params": {}}',
        '{"engine": {"engine": "e"}, "kind": "k", "target": "t", "params": []}',
    ],
)
def test_a_context_that_is_described_wrongly_is_one_line(context: Context, described: str) -> None:
    context.append([row("a", -1.0)])
    (context.folder / "context.json").write_text(described)
    with pytest.raises(StoreError, match=r"context\.json: .* \(remove that folder\)") as caught:
        list(context.store.summaries())
    assert "\n" not in str(caught.value)


def test_a_folder_named_like_a_shard_is_none(context: Context) -> None:
    context.append([row("a", -1.0)])
    (context.folder / "0.parquet").mkdir()
    (context.folder / ".0.parquet.1.partial").mkdir()
    os.utime(context.folder / ".0.parquet.1.partial", (0, 0))
    assert list(context.store.broken()) == []
    assert [summary.shards for summary in context.store.summaries()] == [1]
    assert len(context.locate({"a"})) == 1


def test_a_fresh_store_holds_nothing(context: Context) -> None:
    assert context.locate({"a"}) == {}
    assert context.store.shards() == []
    assert list(context.store.summaries()) == []
    assert list(context.store.broken()) == []
    assert context.rate() is None
    assert context.store.root == cache_root() / "observations"


def test_a_shard_is_named_by_its_content(context: Context) -> None:
    path = path_of(context, context.append([row("a", -1.0)])["a"])
    assert path.name == f"{digest_bytes(path.read_bytes())}.parquet"
    assert path.parent == context.store.root / "prompt_logprobs" / context.digest


def test_two_writers_of_the_same_content_share_a_shard(context: Context) -> None:
    other = Store().context("prompt_logprobs", dict(reversed(IDENTITY.items())))
    assert other.append([row("a", -1.0)]) == context.append([row("a", -1.0)])
    assert len(context.store.shards()) == 1
    assert list(context.store.broken()) == []


def test_keys_are_of_the_context_and_the_tokens(context: Context) -> None:
    others = [
        Store().context("response", IDENTITY),
        Store().context("prompt_logprobs", IDENTITY | {"target": "response"}),
        Store().context("prompt_logprobs", IDENTITY | {"engine": {"engine": "fake", "model": "n"}}),
    ]
    keys = [made.key("1,23;") for made in (context, *others)] + [
        context.key(content) for content in ("12,3;", "1,2,3;", "1,23;prompt-0-2")
    ]
    assert len(set(keys)) == len(keys)
    assert context.key("1,23;") == keys[0]
    assert len({made.folder for made in (context, *others)}) == 4


def test_failed_rows_count_as_missing_and_unscored_ones_do_not(context: Context) -> None:
    context.append([row("a", status="failed"), row("b", status="unscored")])
    assert set(context.locate({"a", "b"})) == {"b"}


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_shard_is_named_and_passed_over(context: Context, damage: str) -> None:
    rows = [row(f"{number:04}", *[-number / 7] * 50) for number in range(200)]
    place = context.append(rows)["0000"]
    kept = context.append([row("c", -3.0)])
    path = path_of(context, place)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # somewhere in the log-probabilities, not in the keys
    path.write_bytes({"flipped": bytes(content), "cut": bytes(content[:100]), "empty": b""}[damage])
    assert [found for found, _ in context.store.broken()] == [path]
    assert context.locate({"0000", "0199", "c"}) == kept
    with pytest.raises(StoreError, match="its content is not what its name says"):
        context.store.read(place.shard)
    context.append(rows)  # made anew
    assert list(context.store.broken()) == []
    assert context.locate({"0199"}) == {"0199": Location(place.shard, 199)}


def test_a_shard_that_is_gone(context: Context) -> None:
    place = context.append([row("a", -1.0)])["a"]
    path_of(context, place).unlink()
    with pytest.raises(StoreError, match="can't be read: No such file"):
        context.store.read(place.shard)


def test_abandoned_partial_files_are_found(context: Context) -> None:
    context.append([row("a", -1.0)])
    left, fresh = (context.folder / f".x.parquet.{number}.partial" for number in (1, 2))
    for partial in (left, fresh):
        partial.write_bytes(b"half")
    os.utime(left, (0, 0))  # the other may be a shard in flight, of a run here or on another machine
    assert [path for path, _ in context.store.broken()] == [left]
    assert set(context.locate({"a"})) == {"a"}


def test_a_full_disk_keeps_what_is_finished(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = context.append([row("a", -1.0)])

    def no_space(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_space)
        with pytest.raises(StoreError, match="No space left"):
            context.append([row("b", -2.0)])
    assert context.locate({"a", "b"}) == kept
    assert list(context.store.broken()) == []
    assert len(list(context.folder.iterdir())) == 2  # the description and one shard


def test_old_shards_are_chosen_by_age_and_removed(context: Context) -> None:
    old, new = (path_of(context, context.append([row(key, -1.0)])[key]) for key in ("a", "b"))
    then = time.time() - 10 * 86_400
    os.utime(old, (then, then))
    store = context.store
    assert store.older_than(11) == []
    assert store.older_than(9) == [old]
    assert store.older_than(0) == sorted([old, new])
    store.remove([old])
    assert store.shards() == [new]
    assert set(context.locate({"a", "b"})) == {"b"}
    context.note_rate(12.5)
    store.remove([new, new.with_name("absent.parquet")])
    assert not context.folder.exists()


def test_a_context_is_described(context: Context) -> None:
    context.append([row("a", -1.0), row("b", -1.0)])
    place = context.append([row("c", -1.0)])["c"]
    store = context.store
    (summary,) = store.summaries()
    assert (summary.capture, summary.engine, summary.weights) == ("prompt_logprobs/prompt", "fake", "m")
    assert (summary.rows, summary.shards) == (3, 2)
    assert summary.size == sum(path.stat().st_size for path in store.shards())
    path_of(context, place).write_bytes(b"damaged")
    assert next(store.summaries()).rows == 2
    (context.folder / "context.json").write_text("{")
    with pytest.raises(StoreError, match="remove that folder"):
        list(store.summaries())


def test_rates_are_remembered_and_a_damaged_one_is_none(context: Context) -> None:
    context.note_rate(1234.5678)
    assert context.rate() == pytest.approx(1234.57)
    (context.folder / "rate.json").write_text("null")
    assert context.rate() is None


def test_shards_are_taken_from_another_store(context: Context, tmp_path: Path) -> None:
    place = context.append([row("a", -1.0)])["a"]
    other = Store(tmp_path / "other")
    gone = place.shard[: place.shard.rindex("/")] + f"/{'0' * 32}.parquet"
    assert other.take(context.store, {place.shard, gone}) == [gone]
    assert other.read(place.shard)["key"].to_pylist() == ["a"]
    assert [summary.rows for summary in other.summaries()] == [1]  # with what it is of
    assert other.context("prompt_logprobs", IDENTITY).locate({"a"}) == {"a": place}
    # What is here is not looked for.
    assert other.take(Store(tmp_path / "nowhere"), {place.shard}) == []


def test_a_damaged_shard_is_not_taken(context: Context, tmp_path: Path) -> None:
    place = context.append([row("a", -1.0)])["a"]
    path_of(context, place).write_bytes(b"other bytes")
    other = Store(tmp_path / "other")
    assert other.take(context.store, {place.shard}) == [place.shard]
    assert other.shards() == []


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b/c.parquet", "", f"../{'0' * 32}/{'0' * 32}.parquet"]
)
def test_what_names_no_shard_is_not_taken(context: Context, tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="names no shard"):
        Store(tmp_path / "other").take(context.store, {name})
