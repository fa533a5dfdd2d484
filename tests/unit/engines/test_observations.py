"""Blocks are the one read path: whatever their size, concatenated they are the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import llmood.engines.observe as observing
from llmood.engines.observations import OPEN_SHARDS, Observations
from llmood.engines.store import Store
from llmood.errors import StoreError
from llmood.records import CaptureSpec
from llmood.tables import INDEX
from tests.observing import AFTER, ALL, BASE, RESPONSE, TUNED, Spy, observe, prompts_of, samples_of

TEXTS = [f"{'word ' * (number % 5)}text {number % 20}" for number in range(30)]


def gathered(observations: Observations, spec: CaptureSpec, size: int) -> list[dict]:
    """A capture's rows in the samples' order."""
    rows: dict[int, dict] = {}
    for block in observations.blocks([BASE, spec], size=size):
        assert len(block) <= size
        assert block[spec].num_rows == block.samples.num_rows == len(block)
        ids = block.samples["sample_id"].to_pylist()
        assert ids == [f"s{position:03}" for position in block.positions]
        rows |= zip(block.positions.tolist(), block[spec].to_pylist(), strict=True)
    return [rows[position] for position in range(len(TEXTS))]


@pytest.mark.parametrize("spec", [BASE, TUNED, RESPONSE, *AFTER], ids=lambda spec: spec.id)
def test_blocks_of_any_size_are_the_whole(spec: CaptureSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "SHARD_ROWS", 7)
    _, observations = observe(TEXTS, ALL)
    whole = gathered(observations, spec, 10_000)
    for size in (1, 3, 30):
        assert gathered(observations, spec, size) == whole
    keys = {row["key"] for row in whole if row["key"]}
    assert len(keys) <= 20  # samples with the same text share an observation


def test_blocks_follow_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "SHARD_ROWS", 1)
    observer, observations = observe(TEXTS, [BASE])
    assert len(observer.store.shards()) > 10
    reads: list[str] = []
    original = Store.read

    def read(self: Store, shard: str, columns: list[str] | None = None) -> pa.Table:
        reads.append(shard)
        return original(self, shard, columns)

    monkeypatch.setattr(Store, "read", read)
    monkeypatch.setattr("llmood.engines.observations.OPEN_SHARDS", 1)
    assert OPEN_SHARDS > 1
    list(observations.blocks([BASE], size=2))
    assert len(reads) == len(set(reads)) == len(observer.store.shards())


def test_only_the_columns_that_are_asked_for_are_read() -> None:
    _, observations = observe(TEXTS, [BASE, RESPONSE])
    (block,) = observations.blocks([BASE, RESPONSE], {"prompt_logprobs": ["logprobs"]})
    assert block[BASE].schema.names == ["status", "reason", "logprobs"]
    assert "text" in block[RESPONSE].schema.names


def test_without_captures_there_are_still_samples() -> None:
    _, observations = observe(TEXTS, [])
    blocks = list(observations.blocks([], size=8))
    assert np.concatenate([block.positions for block in blocks]).tolist() == list(range(30))
    assert blocks[0].captures == {}


def test_missing_rows_say_why() -> None:
    engine = Spy(max_length=20)
    _, observations = observe(["short", "x" * 50, "brief"], [BASE], engine)
    rows = {}
    for block in observations.blocks([BASE], size=2):
        rows |= zip(block.positions.tolist(), block[BASE].to_pylist(), strict=True)
    assert (rows[1]["status"], rows[1]["logprobs"]) == ("unscored", None)
    assert rows[1]["reason"] == "51 tokens are over the context of 20"
    assert [rows[index]["status"] for index in (0, 2)] == ["ok", "ok"]


def test_a_sample_that_the_index_does_not_know_was_not_captured() -> None:
    observer, _ = observe(["one", "two"], [BASE])
    prompts = prompts_of(["one", "two", "three"])
    observations = Observations(samples_of(prompts), observer.index(), observer.store)
    rows = [row for block in observations.blocks([BASE]) for row in block[BASE].to_pylist()]
    assert sorted(row["status"] for row in rows) == ["failed", "ok", "ok"]
    assert {row["reason"] for row in rows} == {None, "was not captured"}


def test_a_capture_that_the_run_lacks() -> None:
    _, observations = observe(TEXTS, [BASE])
    assert observations.has(BASE)
    assert not observations.has(TUNED)
    with pytest.raises(StoreError, match="the run has no capture prompt_logprobs/tuned/prompt"):
        list(observations.blocks([TUNED]))


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_a_lost_shard_is_said_and_a_run_makes_it_anew(damage: str) -> None:
    observer, observations = observe(TEXTS, [BASE])
    (shard,) = observer.store.shards()
    content = shard.read_bytes()
    if damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    with pytest.raises(StoreError, match="observations are missing from the store") as caught:
        list(observations.blocks([BASE]))
    assert "'llmood run' with the same configuration makes it anew" in str(caught.value)
    _, again = observe(TEXTS, [BASE])
    assert sum(len(block) for block in again.blocks([BASE])) == len(TEXTS)


def test_an_empty_index(tmp_path: Path) -> None:
    observations = Observations(samples_of([]), INDEX.empty_table(), Store(tmp_path))
    assert list(observations.blocks([])) == []
