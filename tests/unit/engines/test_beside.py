"""What lies beside the observations: listed, checked, and pruned without losing what a run may still read."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from llmood.engines.beside import CANARIES, SERVERS, Beside
from llmood.engines.canary import examine
from llmood.engines.server.fingerprint import Register, Seen
from llmood.engines.store import Store
from llmood.paths import cache_root
from tests.observing import BASE, TUNED
from tests.unit.engines.test_canary import Seen as Shown
from tests.unit.engines.test_canary import observed
from tests.worlds import llmood


def examined() -> Path:
    engine = Shown()
    examine(engine, Store(), observed(engine, TUNED, BASE).watched)
    (path,) = (cache_root() / CANARIES).glob("*.json")
    return path


def met(*, with_observations: bool) -> Path:
    register = Register({"address": "http://x/v1", "name": "m"})
    known = register.recognise(Seen("prompt", (-1.0, -2.0)))
    if with_observations:
        engine = {"engine": "openai", "weights": f"seen:{known.id}"}
        context = Store().context("prompt_logprobs", {"engine": engine, "target": "prompt", "params": {}})
        context.append([{"key": "k", "status": "ok", "reason": None}])
    return register.path


def aged(path: Path, days: float = 10.0) -> Path:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))
    return path


def test_both_are_listed_beside_the_observations() -> None:
    examined()
    met(with_observations=False)
    rows = llmood("cache", "ls", "--json").json()
    assert [row["capture"] for row in rows][-2:] == [CANARIES, SERVERS]
    assert [(row["rows"], Path(row["folder"])) for row in rows[-2:]] == [
        (1, cache_root() / CANARIES),
        (1, cache_root() / SERVERS),
    ]
    assert all(row["size"] > 0 for row in rows)


@pytest.mark.parametrize("damage", ["", "[]", "{", "[" * 100_000])
def test_a_damaged_one_is_found_and_goes(damage: str) -> None:
    canary, server = examined(), met(with_observations=False)
    assert llmood("cache", "verify").code == 0
    for path in (canary, server):
        path.write_text(damage)
    outcome = llmood("cache", "verify", "--json")
    assert outcome.code == 1
    assert {each["file"] for each in outcome.json()["broken"]} == {str(canary), str(server)}
    assert llmood("cache", "prune", "--broken").code == 0
    assert llmood("cache", "verify").code == 0


def test_a_canary_goes_with_its_observations() -> None:
    canary = examined()
    # Its shards are old, it is not.
    for shard in Store().shards():
        aged(shard)
    assert str(canary) in llmood("cache", "prune", "--older-than", 5, "--dry-run", "--json").json()["files"]
    assert canary.is_file()
    assert llmood("cache", "prune", "--older-than", 5).code == 0
    assert not canary.exists()


def test_an_old_canary_goes_and_a_new_one_stays() -> None:
    canary = examined()
    assert llmood("cache", "prune", "--older-than", 5, "--json").json()["files"] == []
    aged(canary)
    assert llmood("cache", "prune", "--older-than", 5, "--json").json()["files"] == [str(canary)]


def test_a_server_is_remembered_as_long_as_something_of_it_is_stored() -> None:
    server = aged(met(with_observations=True))
    assert Beside(Store()).older_than(5) == []
    Store().remove(Store().shards())
    assert Beside(Store()).older_than(5) == [server]
    assert Beside(Store()).older_than(50) == []


def test_everything_is_everything() -> None:
    examined()
    met(with_observations=True)
    assert llmood("cache", "prune", "--all").code == 0
    assert llmood("cache", "ls", "--json").json() == []


def test_a_stored_examination_is_read_back_as_it_was_made() -> None:
    engine = Shown()
    watched = observed(engine, TUNED, BASE).watched
    first = examine(engine, Store(), watched)
    assert examine(Shown(), Store(), watched) == first
    (path,) = (cache_root() / CANARIES).glob("*.json")
    assert json.loads(path.read_text())["observations"] == sorted({each.location.shard for each in watched})
