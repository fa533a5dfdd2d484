"""Whose an adapter's folder is, and what stands in it when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from llmood.config import Adapter
from llmood.engines.folders import resolve_adapter
from llmood.errors import ConfigError, StoreError
from llmood.identity import FileDigests
from llmood.training.folder import AdapterFolder, refuse_other

MINE = {"seed": 0, "settings": {"rank": 4}, "data": {"train": "d"}}
VERSIONS = {"torch": "1"}
TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}


def folder_of(path: Path, versions: dict[str, str] = VERSIONS, **changes: object) -> AdapterFolder:
    return AdapterFolder(path / "adapter", {**MINE, **changes}, versions)


def finished(path: Path) -> AdapterFolder:
    folder = folder_of(path)
    with folder.locked():
        folder.begin()
        folder.write_best(2, TENSORS)
        folder.finish(2, {"peft_type": "LORA"}, {"loss": 1}, "# card\n")
    return folder


def test_a_finished_adapter_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    assert sorted(entry.name for entry in folder.path.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "training.json",
    ]
    folder.claim()
    weights = FileDigests().of(folder.path / "adapter_model.safetensors")
    assert folder.record == {"loss": 1, "identity": MINE, "weights": weights}
    assert (
        folder_of(tmp_path, {"torch": "2"}).record is not None
    )  # newer packages spoil nothing that is finished


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"seed": 1}, "seed 0, now 1"),
        ({"settings": {"rank": 8}}, "rank 4, now 8"),
        ({"data": {"train": "e"}}, "another train"),  # of digests nobody wants to read both
        ({"seed": 1, "settings": {"rank": 4, "loss_on": "text"}}, "seed 0, now 1; loss_on null, now text"),
        ({"settings": {"rank": 8}, "base": "b"}, "another base; rank 4, now 8"),
    ],
)
def test_another_adapter_is_refused_finished_or_not(
    tmp_path: Path, changes: dict[str, object], word: str
) -> None:
    finished(tmp_path / "done")
    with pytest.raises(ConfigError, match=f"holds an adapter tuned with {word} "):
        folder_of(tmp_path / "done", **changes).claim()
    begun = folder_of(tmp_path / "begun")
    with begun.locked():
        begun.begin()
    with pytest.raises(ConfigError, match=f"an unfinished adapter with {word} "):
        folder_of(tmp_path / "begun", **changes).claim()
    folder_of(tmp_path / "begun").claim()
    with pytest.raises(ConfigError, match="with torch 1, now 2 "):
        folder_of(tmp_path / "begun", {"torch": "2"}).claim()


def test_what_the_settings_alone_tell_is_refused_before_the_rest_is_known(tmp_path: Path) -> None:
    finished(tmp_path / "done")
    begun = folder_of(tmp_path / "begun")
    with begun.locked():
        begun.begin()
    for place in ("done", "begun", "nowhere"):
        refuse_other(tmp_path / place / "adapter", {"seed": 0, "settings": {"rank": 4}})
        refuse_other(tmp_path / place / "adapter", {})
    with pytest.raises(ConfigError, match=r"an adapter tuned with seed 0, now 3; rank 4, now 8 \("):
        refuse_other(tmp_path / "done" / "adapter", {"seed": 3, "settings": {"rank": 8}})
    with pytest.raises(ConfigError, match=r"an unfinished adapter with rank 4, now 8 \(.*\.tuning"):
        refuse_other(tmp_path / "begun" / "adapter", {"seed": 0, "settings": {"rank": 8}})


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        folder_of(tmp_path).claim()
    (tmp_path / "a" / "adapter").mkdir(parents=True)
    (tmp_path / "a" / "adapter" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no adapter"):
        folder_of(tmp_path / "a").claim()
    (tmp_path / "b" / "adapter").mkdir(parents=True)
    (tmp_path / "b" / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds an adapter that llmood didn't make"):
        folder_of(tmp_path / "b").claim()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    one, two = folder_of(tmp_path), folder_of(tmp_path)
    with one.locked(), pytest.raises(ConfigError, match="another 'llmood finetune' is writing"), two.locked():
        pass


def test_where_nothing_was_begun_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), folder_of(tmp_path).locked():
        raise RuntimeError
    assert not (tmp_path / "adapter").exists()


def test_a_checkpoint_holds_numbers_and_tensors_exactly(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with folder.locked():
        folder.begin()
        assert folder.read_state() is None
        folder.write_state({"step": 3, "loss": 0.1 + 0.2}, TENSORS)
        folder.write_state({"step": 4, "loss": 1 / 3}, {"a": TENSORS["a"] / 3})
    found = folder.read_state()
    assert found is not None
    assert found[0] == {"step": 4, "loss": 1 / 3}
    assert np.array_equal(found[1]["a"], TENSORS["a"] / 3)


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with folder.locked():
        folder.begin()
        folder.write_state({"step": 3}, TENSORS)
        path = folder.work / "state.safetensors"
        path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(StoreError, match=r"remove .*\.tuning to begin again"):
            folder.read_state()
    (folder.work / "identity.json").write_text("{")
    with pytest.raises(ConfigError, match="can't be read"):
        folder.claim()


@pytest.mark.parametrize("name", ["write_json", "write_text"])
def test_a_half_made_adapter_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """At whatever file the end is killed: a run takes none of it for an adapter until the last one is there."""
    import llmood.training.folder as module

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    folder = folder_of(tmp_path)
    with folder.locked():
        folder.begin()
        folder.write_best(1, TENSORS)
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            with pytest.raises(KeyboardInterrupt):
                folder.finish(1, {"peft_type": "LORA"}, {}, "")
    assert (folder.path / "adapter_model.safetensors").is_file()
    with pytest.raises(ConfigError):
        resolve_adapter(Adapter(adapter=str(folder.path)), place="models.tuned", relative_to=None)
    folder.claim()  # and it can be gone on with
    with folder.locked():
        folder.finish(1, {"peft_type": "LORA"}, {}, "")
    assert json.loads((folder.path / "adapter_config.json").read_text()) == {"peft_type": "LORA"}
    assert resolve_adapter(Adapter(adapter=str(folder.path)), place="models.tuned", relative_to=None)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def replaced(path: Path) -> None:
    path.write_bytes(save({"a": TENSORS["a"] + 1}))


@pytest.mark.parametrize("damage", [Path.unlink, cut_short, emptied, replaced])
def test_a_finished_adapter_with_other_weights_is_damaged(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = finished(tmp_path)
    damage(folder.path / "adapter_model.safetensors")
    with pytest.raises(ConfigError, match=r"adapter: is damaged: .*remove the folder and tune again"):
        folder.claim()


def test_an_adapter_of_before_the_digest_needs_weights_that_can_be_read(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    (folder.path / "training.json").write_text(json.dumps({"identity": MINE}))
    folder.claim()
    cut_short(folder.path / "adapter_model.safetensors")
    with pytest.raises(ConfigError, match="is damaged"):
        folder.claim()
