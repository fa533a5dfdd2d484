"""Whose a run folder is, and who may write there."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from llmood.config import RunConfig
from llmood.errors import ConfigError, LlmoodError, StoreError
from llmood.run_folder import RunFolder, config_hash, default_folder
from llmood.strict import parse


def test_how_a_model_was_tuned_is_no_part_of_a_run(tmp_path: Path) -> None:
    def of(**keys: Any) -> RunConfig:
        return parse(RunConfig, {"benchmark": "b", **keys}, place="x")

    assert config_hash(of(finetune={"epochs": 3})) == config_hash(of())
    assert config_hash(of(seed=1)) != config_hash(of())
    folder = RunFolder(tmp_path / "run")
    folder.begin(of(), "b", None)
    folder.claim(of(finetune={"epochs": 3}))


def config(**keys: Any) -> RunConfig:
    return parse(RunConfig, {"benchmark": "b", **keys}, place="here")


def test_the_hash_is_of_what_decides_the_numbers() -> None:
    assert config_hash(config()) == config_hash(config(seed=0, limit=None))
    changed = [config(seed=1), config(limit=5), config(text=False), config(models={"base": "m"})]
    hashes = {config_hash(each) for each in (config(), *changed)}
    assert len(hashes) == 5
    assert all(len(each) == 8 and int(each, 16) >= 0 for each in hashes)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("mine", "mine"),
        ("v1.2", "v1.2"),
        ("../../etc/passwd", "passwd"),
        ("/absolute/bench.yaml", "bench"),
        ("bench.yml", "bench"),
        ("a b\n\x1b[31m", "a-b-31m"),
        ("naïve", "na-ve"),
        ("..", ".."),
    ],
)
def test_the_default_folder_is_one_name_below_runs(name: str, stem: str) -> None:
    folder = default_folder(config(), name)
    assert folder == Path("runs") / f"{stem}-{config_hash(config())}"


def test_a_folder_is_claimed_by_its_configuration(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(config())
    assert not folder.path.exists()
    with folder.locked():
        folder.begin(config(), "b", ["llmood", "run"])
    folder.claim(config())
    with pytest.raises(ConfigError, match="another configuration"):
        folder.claim(config(seed=1))


def test_a_key_that_came_later_makes_no_folder_foreign(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(config(), "b", None)
    older = config().model_dump(mode="json")
    del older["response"], older["bootstrap"]["level"]
    folder.write_manifest("complete", config=older)
    folder.claim(config())
    with pytest.raises(ConfigError, match="another configuration"):
        folder.claim(config(bootstrap={"level": 0.9}))


def test_what_is_no_run_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    RunFolder(tmp_path).claim(config())  # what a desktop leaves in every folder
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="holds no run"):
        RunFolder(tmp_path).claim(config())
    with pytest.raises(ConfigError, match="is a file"):
        RunFolder(tmp_path / "file").claim(config())


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("{", StoreError, "is not JSON"),
        ("[]", ConfigError, "was not written by llmood"),
        ("{}", ConfigError, "was not written by llmood"),
        ('{"schema_version": 1}', ConfigError, "was not written by llmood"),
        ('{"schema_version": 2, "config": {}}', StoreError, "schema version 2, this llmood reads 1"),
    ],
)
def test_a_foreign_manifest(tmp_path: Path, text: str, kind: type[LlmoodError], message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    for read in (lambda: RunFolder(tmp_path).manifest, lambda: RunFolder(tmp_path).claim(config())):
        with pytest.raises(kind, match=message):
            read()


def test_the_manifest_keeps_what_is_not_named_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(config(seed=3), "b", ["llmood", "run", "b"])
    folder.write_manifest("failed", error="a reason")
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert (manifest["status"], manifest["error"], manifest["seed"]) == ("failed", "a reason", 3)
    assert manifest["command"] == ["llmood", "run", "b"]
    assert manifest["config"] == config(seed=3).model_dump(mode="json")


def test_a_run_that_goes_on_forgets_the_error_and_keeps_its_start(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(config(), "b", None)
    assert "resumed" not in folder.manifest
    folder.write_manifest("failed", error="a reason", started="2020-01-01T00:00:00+00:00")
    folder.begin(config(), "b", None)
    manifest = folder.manifest
    assert (manifest["status"], manifest["error"]) == ("running", None)
    assert manifest["started"] == "2020-01-01T00:00:00+00:00" < manifest["resumed"]


def test_the_lock_is_for_one_at_a_time(tmp_path: Path) -> None:
    folder, other = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    with folder.locked(), pytest.raises(ConfigError, match="another run is writing here"), other.locked():
        pytest.fail("two at once")
    with other.locked():
        pass


def test_the_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(RuntimeError), folder.locked():
        raise RuntimeError
    with folder.locked():
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = RunFolder(tmp_path / "file" / "run")
    with pytest.raises(ConfigError, match="can't be written: Not a directory"), folder.locked():
        pytest.fail("made")


def test_another_configuration_is_refused_with_what_differs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin(config(limit=200), "b", None)
    with pytest.raises(ConfigError) as caught:
        folder.claim(config(models={"base": "m"}, engine={"dtype": "float32"}))
    said = str(caught.value)
    assert "limit was 200, now null" in said
    assert 'engine.dtype was "auto", now "float32"' in said
    assert 'models.base was null, now {"model":"m","revision":null}' in said
    assert "seed" not in said


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(ConfigError, match="can't be locked: No locks available"),
        RunFolder(tmp_path).locked(),
    ):
        pytest.fail("not locked")


SHARD = {"index": 0, "count": 2, "samples": 1, "of": 2, "digest": "d"}


def test_shards_belong_to_the_configuration_of_their_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    shard = folder.shard(0, 2)
    assert shard.path == tmp_path / "run" / "shards" / "0-of-2"
    with shard.locked():
        shard.begin(config(), "b", None, shard=SHARD)
    assert [each.path for each in folder.shards()] == [shard.path]
    assert not folder.begun
    folder.claim(config())  # as a whole, or its next shard
    for claimed in (folder, shard):
        with pytest.raises(ConfigError, match="another configuration: seed was 0, now 1"):
            claimed.claim(config(seed=1))
    (tmp_path / "run" / "file").touch()
    with pytest.raises(ConfigError, match="holds no run"):
        folder.claim(config())


def test_a_run_is_cut_into_one_number_of_shards(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.shard(0, 2).begin(config(), "b", None, shard=SHARD)
    folder.shard(1, 2)
    with pytest.raises(ConfigError, match="holds a run in 2 shards, not in 3"):
        folder.shard(1, 3)


def test_a_shard_is_no_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    shard = folder.shard(0, 2)
    shard.begin(config(), "b", None, shard=SHARD)
    with pytest.raises(ConfigError, match=r"is one shard of a run.*'llmood merge'"):
        _ = RunFolder(shard.path).manifest
    with pytest.raises(ConfigError, match=r"holds the shards of a run, not merged yet.*'llmood merge .*run'"):
        _ = folder.manifest


@pytest.mark.parametrize(
    "shard", [None, {}, {**SHARD, "count": 0}, {**SHARD, "index": -1}, {**SHARD, "of": "2"}]
)
def test_a_damaged_shard(tmp_path: Path, shard: object) -> None:
    folder = RunFolder(tmp_path).shard(0, 2)
    folder.begin(config(), "b", None, shard=SHARD)
    known = json.loads(folder.file("shard.json").read_text())
    folder.file("shard.json").write_text(json.dumps({**known, "shard": shard}))
    with pytest.raises(StoreError, match=r"shard\.json: is damaged: .*shard"):
        _ = folder.manifest
