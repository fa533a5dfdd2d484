"""A store in memory gives what a store of files gives, for as long as it is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.engines.memory_store import MemoryStore
from llmood.engines.store import Store
from llmood.errors import StoreError
from llmood.records import FAILED, OK

KIND, IDENTITY = "prompt_logprobs", {"weights": "w"}


def row(key: str, status: str = OK) -> dict[str, Any]:
    return {"key": key, "status": status, "token_ids": [1, 2], "logprobs": [None, -0.5], "model": "base"}


def test_both_stores_find_and_read_the_same(tmp_path: Path) -> None:
    found, read = [], []
    for store in (Store(tmp_path), MemoryStore()):
        context = store.context(KIND, IDENTITY)
        places = context.append([row("a"), row("b", FAILED)]) | context.append([row("c")])
        again = store.context(KIND, IDENTITY).locate({"a", "b", "c", "d"})
        assert {key: places[key] for key in again} == again
        assert store.context(KIND, {"weights": "other"}).locate({"a"}) == {}
        found.append({key: place.row for key, place in again.items()})
        read.append([store.read(places[key].shard, ["key", "logprobs"]).to_pylist() for key in "ac"])
    assert found[0] == found[1] == {"a": 0, "c": 0}
    assert read[0] == read[1]


def test_nothing_is_written_and_what_was_never_held_is_said() -> None:
    store = MemoryStore()
    store.context(KIND, IDENTITY).append([row("a")])
    assert not store.root.exists()
    with pytest.raises(StoreError, match="never held"):
        store.read("prompt_logprobs/x/0")
