"""`llmood demo --images`: the small model that sees, on a few rows of each population."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.worlds import llmood

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_report")]


def test_the_demo_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dry = llmood("demo", "--images", "--limit", 8, "--dry-run", "--json")
    assert dry.code == 0, dry
    assert dry.json()["run"] == "runs/demo_images"
    assert not (tmp_path / "runs").exists()
    outcome = llmood("demo", "--images", "--limit", 8, "--set", "bootstrap.draws=100")
    assert outcome.code == 0, outcome
    run = tmp_path / "runs" / "demo_images"
    samples = pq.read_table(run / "samples.parquet").to_pylist()
    tasks = {row["task"] for row in samples}
    assert {"demo_images", "demo_images_near", "demo_images_questions", "demo_images_flags"} <= tasks
    assert all(len(row["images"]) == 1 for row in samples)
    scores = pq.read_table(run / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores} == {"ok"}
    checks = json.loads((run / "checks.json").read_text())
    assert not [check for check in checks if check["severity"] == "error"]
