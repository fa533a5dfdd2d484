"""A detector's folder: the same fit gives the same bytes, and what was changed is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save

import llmood
from llmood.errors import ConfigError, StoreError
from llmood.identity import digest, digest_bytes
from tests.detecting import detecting_world
from tests.tiny_models import save_adapter, save_model
from tests.worlds import tree

SCORERS = ["likelihood_ratio", "tfidf_knn"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world = detecting_world(tmp_path / "world")
    llmood.fit_detector(world.config, output_dir=tmp_path / "detector", scorers=SCORERS)
    return tmp_path / "detector"


def changed(folder: Path, **keys: Any) -> None:
    """Other keys in `detector.json`, under a digest that fits."""
    record = json.loads((folder / "detector.json").read_text())
    record = {**record, **keys}
    record["digest"] = digest({key: value for key, value in record.items() if key != "digest"})
    (folder / "detector.json").write_text(json.dumps(record))


def test_fitting_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    before = tree(folder)
    assert set(before) == {
        "detector.json",
        "card.md",
        "calibration.safetensors",
        "scorers/tfidf_knn/scorer.json",
        "scorers/tfidf_knn/state.safetensors",
    }
    llmood.fit_detector(tmp_path / "world" / "small.yaml", output_dir=folder, scorers=SCORERS)
    assert tree(folder) == before
    llmood.load_detector(folder).save(tmp_path / "copy")
    assert tree(tmp_path / "copy") == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "name", ["card.md", "calibration.safetensors", "scorers/tfidf_knn/state.safetensors"]
)
@pytest.mark.parametrize("how", ["changed", "truncated", "removed", "a link"])
def test_a_file_that_was_changed_is_refused(folder: Path, name: str, how: str, tmp_path: Path) -> None:
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif how == "truncated":
        path.write_bytes(content[:-1])
    elif how == "a link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=name):
        llmood.load_detector(folder)


def test_a_record_that_was_changed_is_refused(folder: Path) -> None:
    path = folder / "detector.json"
    content = path.read_text()
    for broken in (content.replace('"alpha": 0.05', '"alpha": 0.01'), content[:-20], "[]", "{}", ""):
        assert broken != content
        path.write_text(broken)
        with pytest.raises(StoreError, match=r"detector\.json"):
            llmood.load_detector(folder)


def test_a_record_of_nonsense_is_damage(folder: Path) -> None:
    record = json.loads((folder / "detector.json").read_text())
    del record["digest"]
    task = record["form"]["task"]
    for keys in (
        {"files": {**record["files"], "../out/card.md": "x"}},
        {"files": {}},
        {"thresholds": [{"target": "x"}]},
        {"form": {}},
        {"scorers": [{"name": "a", "folder": "../x", "packed": None}]},
        {"scorers": [{"name": "a", "folder": None, "packed": {"id": "length"}}]},
        {"config": {"benchmark": 3}},
        {"stage": "later"},
        {"models": []},
        {"models": {"base": {"identity": 3}}},
        {"data": {}},
        {"scorers": [{"name": 3, "folder": None, "packed": record["scorers"][0]["packed"]}]},
        {"form": {**record["form"], "task": {**task, "fields": {**task["fields"], "label": 3}}}},
        {"form": {**record["form"], "task": {**task, "fields": {**task["fields"], "meta": []}}}},
    ):
        changed(folder, **{**record, **keys})
        with pytest.raises(StoreError, match="detector") as raised:
            llmood.load_detector(folder)
        assert "\n" not in str(raised.value)
    changed(folder, **{**record, "format": 99})
    with pytest.raises(StoreError, match="update llmood"):
        llmood.load_detector(folder)


@pytest.mark.parametrize("values", [None, [], [np.nan, 1.0], [2.0, 1.0], [[1.0]], [1, 2]])
def test_scores_of_nonsense_are_damage(folder: Path, values: list[Any] | None) -> None:
    content = save({} if values is None else {"score/thresholds": np.array(values)})
    (folder / "calibration.safetensors").write_bytes(content)
    record = json.loads((folder / "detector.json").read_text())
    del record["digest"]
    files = {**record["files"], "calibration.safetensors": digest_bytes(content)}
    changed(folder, **{**record, "files": files})
    with pytest.raises(StoreError, match="no sorted scores"):
        llmood.load_detector(folder)


def test_no_detector_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no detector"):
        llmood.load_detector(tmp_path)
    (tmp_path / "detector.json").write_text("{}")
    with pytest.raises(ConfigError, match="is a file"):
        llmood.load_detector(tmp_path / "detector.json")


def test_nothing_else_is_written_over(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="holds no detector"):
        llmood.fit_detector(world.config, output_dir=tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"


def test_other_weights_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.base: has another model") as caught:
        llmood.load_detector(folder, models={"base": "another"})
    assert "fit it anew" in str(caught.value)
    with pytest.raises(ConfigError, match="no model 'nli'"):
        llmood.load_detector(folder, models={"nli": "another"})
    same = llmood.load_detector(folder, models={"base": "fake"}, engine={"batch_tokens": 100})
    assert same.differs == []
    records = [{"text": "my bank card"}]
    np.testing.assert_array_equal(
        same.score(records)["score"], llmood.load_detector(folder).score(records)["score"]
    )


def test_fitting_in_two_folders_differs_in_where_the_models_are_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "elsewhere" / "two"
    world = detecting_world(
        first,
        engine={"kind": "transformers", "device": "cpu"},
        models={"base": "base", "tuned": {"adapter": "lora"}},
    )
    save_adapter(first / "lora", save_model(first / "base"))
    shutil.copytree(first, second)
    for place in (first, second):
        config = {"benchmark": {"name": "small", "id": str(place / "bank" / "t.yaml")}}
        models = {"base": str(place / "base"), "tuned": {"adapter": str(place / "lora")}}
        settings = world.settings() | {"models": models} | config
        llmood.fit_detector(settings, output_dir=place / "by_mapping", scorers=SCORERS)
        llmood.fit_detector(place / "small.yaml", output_dir=place / "by_file", scorers=SCORERS)
    for name in ("by_mapping", "by_file"):
        ours, theirs = tree(first / name), tree(second / name)
        places = json.loads(ours.pop("models.json"))
        assert places["tuned"] == {"path": str((first / "lora").resolve()), "from_here": "../lora"}
        assert json.loads(theirs.pop("models.json"))["tuned"]["from_here"] == "../lora"
        assert ours == theirs
        assert not any(str(tmp_path).encode() in content for content in ours.values())

    # Moved together, moved alone, and told where the models are.
    assert llmood.load_detector(first / "by_file").content.config.models.base.model == str(first / "base")
    shutil.move(first, tmp_path / "moved")
    moved = llmood.load_detector(tmp_path / "moved" / "by_file")
    shutil.copytree(second / "by_file", tmp_path / "alone")
    scores = moved.score([{"text": "my bank card"}])
    for detector in (
        llmood.load_detector(tmp_path / "alone"),
        llmood.load_detector(
            tmp_path / "moved" / "by_mapping", models={"base": second / "base", "tuned": second / "lora"}
        ),
    ):
        assert detector.digest == moved.digest or detector.content.name != moved.content.name
        pd.testing.assert_frame_equal(detector.score([{"text": "my bank card"}]), scores)


def test_places_of_models_that_are_damaged(folder: Path) -> None:
    for broken in ("", "[]", "[1]", '{"base": "x"}', '{"other": {"path": "x", "from_here": "x"}}', "{"):
        (folder / "models.json").write_text(broken)
        with pytest.raises(StoreError, match=r"models\.json: is damaged") as caught:
            llmood.load_detector(folder)
        assert "--model" in str(caught.value)
