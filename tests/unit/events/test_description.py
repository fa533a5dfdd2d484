from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llmood.detector.detector import load_detector
from llmood.errors import StoreError
from llmood.events import EventStore, read_descriptions, write_description
from tests.detecting import detecting_world
from tests.worlds import llmood


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    world = detecting_world(tmp_path / "world")
    assert llmood("fit", world.config, "-o", tmp_path / "cheap", "--scorer", "tfidf_knn").code == 0
    return tmp_path / "cheap"


def test_a_detector_is_described(detector: Path, tmp_path: Path) -> None:
    loaded = load_detector(detector)
    folder = tmp_path / "events"
    path = write_description(folder, loaded)
    assert loaded.digest is not None
    assert path.name == f"detector-{loaded.digest[:8]}.json"
    EventStore(folder).close()  # what describes detectors is no stranger there
    (found,) = read_descriptions(folder).values()
    assert (found.digest, found.scorer, found.scorers) == (loaded.digest, "tfidf_knn", ("tfidf_knn",))
    assert list(found.thresholds) == loaded.thresholds
    assert np.array_equal(found.calibration, loaded.content.calibration["score/thresholds"])


@pytest.mark.parametrize(
    "change",
    [{"calibration": []}, {"thresholds": []}, {"seed": "x"}, {"seed": float("inf")}, {"llmood_detector": 2}],
)
def test_a_damaged_description_is_refused(detector: Path, tmp_path: Path, change: dict[str, object]) -> None:
    path = write_description(tmp_path / "events", load_detector(detector))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreError, match=rf"{path.name}: is damaged: .*'llmood serve'") as told:
        read_descriptions(path.parent)
    assert "\n" not in str(told.value)
