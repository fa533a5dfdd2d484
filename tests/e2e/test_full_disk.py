"""A full disk ends a run with one line; what was finished stays, and the same command goes on from there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import llmood as package
from llmood.engines.fake import FakeEngine
from llmood.errors import StoreError
from llmood.events import EventStore
from tests.deciding import events, kept
from tests.worlds import World, llmood, tree, write_world

pytestmark = pytest.mark.usefixtures("no_report")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return write_world(tmp_path / "world", scorers=["likelihood_ratio", "likelihood.response"])


def disk_full(monkeypatch: pytest.MonkeyPatch, when: Callable[[Path], bool]) -> None:
    """Writing the files that `when` chooses fails as on a full disk, as late as it can: when they are synced."""
    honest = os.fsync

    def fsync(descriptor: int) -> None:
        if when(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def requests_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    honest = FakeEngine.capture

    def capture(self: FakeEngine, spec: object, requests: list[object]) -> object:
        made.extend([str(spec)] * len(requests))
        return honest(self, spec, requests)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeEngine, "capture", capture)
    return made


@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_full_store(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path, room: int
) -> None:
    folder = tmp_path / "run"
    shards = 0

    def when(path: Path) -> bool:
        nonlocal shards
        shards += ".parquet" in path.name and fresh_cache in path.parents
        return shards > room

    with monkeypatch.context() as patch:
        disk_full(patch, when)
        outcome = llmood("run", world.config, "-o", folder)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert "No space left on device" in outcome.err
    kept = list(fresh_cache.rglob("*.parquet"))
    assert len(kept) == room
    assert not list(fresh_cache.rglob("*.partial"))
    assert llmood("cache", "verify").code == 0
    # With room again the same command makes only what is missing, and ends as an undisturbed run.
    made = requests_made(monkeypatch)
    assert llmood("run", world.config, "-o", folder).code == 0
    resumed = len(made)
    made.clear()
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "another"))
    assert llmood("run", world.config, "-o", tmp_path / "undisturbed").code == 0
    assert resumed < len(made) if room else resumed == len(made)
    ours, theirs = tree(folder), tree(tmp_path / "undisturbed")
    assert {name for name in ours if ours[name] != theirs[name]} <= {"run.json"}
    assert package.Run(folder).status == "complete"


@pytest.mark.parametrize(
    "name",
    ["samples.parquet", "index.parquet", "scores.parquet", "metrics.json", "checks.json", "rejects.jsonl"],
)
def test_a_full_run_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path, name: str
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        disk_full(patch, lambda path: name in path.name and folder in path.parents)
        outcome = llmood("run", world.config, "-o", folder)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert f"{name}: can't write: No space left on device" in outcome.err
    manifest = package.Run(folder).manifest
    assert manifest["status"] == "failed"
    assert "No space left on device" in manifest["error"]
    assert not (folder / name).exists()
    assert not list(folder.rglob("*.partial"))
    assert llmood("run", world.config, "-o", folder).code == 0
    assert package.Run(folder).status == "complete"


def test_a_run_folder_without_room_for_its_first_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    disk_full(monkeypatch, lambda path: "run.json" in path.name)
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert "run.json: can't write: No space left on device" in outcome.err
    assert not list(fresh_cache.rglob("*.parquet"))  # and no model was run for it


def test_an_export_without_room(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    disk_full(monkeypatch, lambda path: "export" in str(path))
    outcome = llmood("cache", "export", tmp_path / "run", "-o", tmp_path / "export")
    assert outcome.code == 1
    assert "No space left on device" in outcome.err
    assert tree(tmp_path / "export") == {}


@pytest.mark.parametrize("name", ["journal.jsonl", ".parquet"])
def test_an_event_store_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = tmp_path / "events"
    store = EventStore(folder, rotate_rows=4)
    store.append(events(0, 3))
    with monkeypatch.context() as patch:
        disk_full(patch, lambda path: name in path.name and folder in path.parents)
        if name == ".parquet":  # a segment can wait, and the decision is in the journal
            store.append(events(3, 6))
        else:
            with pytest.raises(StoreError, match="No space left on device"):
                store.append(events(3, 6))
    kept_until_now = 6 if name == ".parquet" else 3
    assert kept(folder) == events(0, kept_until_now)
    store.append(events(kept_until_now, 9))
    store.close()
    assert kept(folder) == events(0, 9)
    assert not list(folder.rglob("*.partial"))
