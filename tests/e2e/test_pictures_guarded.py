"""Detectors of questions about pictures: what `llmood fit` makes scores them as a run does."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import llmood as package
from tests.encoders import save_seeing_encoder
from tests.pictures import demo_module
from tests.task_files import write_task
from tests.tiny_pictures import save_picture_adapter, save_pictured
from tests.worlds import llmood

pytestmark = pytest.mark.usefixtures("no_report")

SCORERS = [
    "likelihood_ratio",
    "mahalanobis",
    {"knn": {"position": "mean_image", "k": 3}},
    {"knn.base": {"position": "eye", "k": 3}},
    "knn.encoder",
]
NAMES = ("likelihood_ratio", "mahalanobis", "knn", "knn.base", "knn.encoder")
COUNTS = {"train": 60, "calibration": 120, "test": 20}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guarded")
    scenes, draw = demo_module("scenes"), demo_module("draw")
    made = scenes.make_splits()
    (folder / "pictures").mkdir()
    splits: dict[str, list[dict[str, Any]]] = {}
    for split, count in COUNTS.items():
        splits[split] = []
        for number, row in enumerate(made[f"id_{split}"][:count]):
            draw.draw(row.picture).save(folder / "pictures" / f"{split}{number}.png")
            own = {"text": row.question, "image": f"pictures/{split}{number}.png", "kind": row.kind}
            splits[split].append({"id": number, **own})
    write_task(folder, splits, name="shapes", fields={"images": "image", "label": "kind"})
    save_picture_adapter(folder / "adapter", save_pictured(folder / "base"))
    config = {
        "benchmark": {"name": "seen", "id": str(folder / "t.yaml"), "ood": []},
        "models": {
            "base": str(folder / "base"),
            "tuned": {"adapter": str(folder / "adapter")},
            "encoder": str(save_seeing_encoder(folder / "clip")),
        },
        "engine": {"kind": "transformers", "device": "cpu"},
        "hidden_states": {"layers": "0,-1", "positions": "last_prompt,mean_prompt,mean_image,mean_text"},
        "scorers": SCORERS,
        "bootstrap": {"draws": 100},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def detector(home: Path) -> Path:
    config = home / "config.yaml"
    options = [option for name in NAMES for option in ("--scorer", name)]
    done = llmood("fit", config, "-o", home / "detector", "--false-alarms", "0.2", *options)
    assert done.code == 0, done.err
    return home / "detector"


def rows(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "test.jsonl").read_text().splitlines()]


def test_its_scores_are_those_of_a_run(home: Path, detector: Path, tmp_path: Path) -> None:
    done = llmood("run", home / "config.yaml", "-o", tmp_path / "run")
    assert done.code == 0, done.err
    samples = pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    places = {row["sample_id"]: int(row["source_line"].rsplit(":", 1)[1]) - 1 for row in samples}
    scored = llmood("score", detector, home / "test.jsonl")
    assert scored.code == 0, scored.err
    found = [json.loads(line) for line in scored.out.splitlines()]
    assert {row["status"] for row in found} == {"ok"}
    for name in NAMES:
        expected = np.full(len(found), np.nan)
        for row in pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist():
            if row["scorer"] == name:
                expected[places[row["sample_id"]]] = row["score"]
        ours = np.array([row[name] for row in found])
        assert np.allclose(ours, expected, rtol=1e-4, atol=1e-4), name
        assert len(set(ours)) > len(found) // 2


def test_a_picture_may_be_in_the_row_itself(home: Path, detector: Path) -> None:
    loaded = package.load_detector(detector)
    named = rows(home)[:4]
    inside = []
    for row in named:
        data = (home / row["image"]).read_bytes()
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        inside += [{**row, "image": url}, {**row, "image": data}]
    found = loaded.score(inside)
    assert set(found["status"]) == {"ok"}
    assert found["score"].tolist()[::2] == found["score"].tolist()[1::2]
    expected = loaded.score(named, folder=home)["score"]
    assert np.allclose(found["score"][::2], expected, rtol=1e-6)


def test_what_no_picture_can_be_had_of(home: Path, detector: Path) -> None:
    """Whoever sends records over a network names no files of this machine, and learns of none."""
    loaded = package.load_detector(detector)
    row = rows(home)[0]
    absolute = str(home / row["image"])
    with loaded.open() as opened:
        for image in (row["image"], absolute, "/etc/passwd", "/no/such/file"):
            found = opened.score([{**row, "image": image}])
            assert found["status"].tolist() == ["failed"]
            assert found["reason"].tolist() == ["picture: names a file, and only data URLs are taken here"]
    without = [{"text": row["text"]}, {"prompt": f"<image>{row['text']}"}, {**row, "image": None}]
    none = [{**row, "image": []}, {"messages": [{"role": "user", "content": row["text"]}]}]
    with loaded.open(folder=home) as opened:
        for record in without:
            (reason,) = opened.score([record])["reason"]
            assert "image" in reason or "picture" in reason or "text" in reason
        found = opened.score([*none, row])
        assert found["status"].tolist() == ["failed", "failed", "ok"]
        assert set(found["reason"][:2]) == {
            "picture: is missing, and each calibration row of the detector has one"
        }
        other = opened.score([{**row, "image": absolute}, {**row, "image": "../x.png"}])
    assert other["status"].tolist() == ["ok", "failed"]
    assert "leaves the folder of the rows" in other["reason"][1]


def test_another_picture_is_another_score(home: Path, detector: Path) -> None:
    first, second = rows(home)[:2]
    found = package.load_detector(detector).score([first, {**first, "image": second["image"]}], folder=home)
    assert set(found["status"]) == {"ok"}
    assert found["score"][0] != found["score"][1]
