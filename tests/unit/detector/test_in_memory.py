"""Few rows are observed in memory and many in files: their verdicts are the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import llmood
from llmood.detector import observing
from tests.detecting import detecting_world
from tests.traffic_rows import AWAY, HOME


@pytest.mark.parametrize("scorer", ["likelihood_ratio", "likelihood.response", "self_consistency"])
def test_files_and_memory_agree(
    tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, scorer: str
) -> None:
    world = detecting_world(tmp_path, scorers=[scorer])
    detector = llmood.fit_detector(world.config)
    in_memory = detector.score([*HOME[:9], *AWAY[:9], HOME[0]])
    monkeypatch.setattr(observing, "MEMORY_ROWS", 0)
    monkeypatch.setattr(observing, "MemoryStore", None)
    in_files = detector.score([*HOME[:9], *AWAY[:9], HOME[0]])
    pd.testing.assert_frame_equal(in_memory, in_files)
    assert (in_files["status"] == "ok").any()
