"""`kill -9` at ten random moments of a run, each followed by the same run: it ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from tests import tiny_models

PROGRAM = Path(__file__).with_name("killed_runs.py")
SCORERS = [
    "likelihood_ratio",
    "likelihood.mean",
    "likelihood_ratio.response",
    "likelihood.response_given_prompt",
]


def write_task(folder: Path, name: str, words: list[str], rows: int) -> None:
    generator = np.random.default_rng(len(name))
    texts = [" ".join(generator.choice(words, generator.integers(1, 5))) + f" {row}" for row in range(rows)]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    task = {"name": name, "sources": [{"files": {"test": f"{name}.jsonl"}}], "prompt": "{{ text }}"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(task))


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    write_task(tmp_path, "home", ["pay", "card", "bank", "loan"], 70)
    write_task(tmp_path, "away", ["tree", "river", "cloud", "stone"], 50)
    base = tiny_models.save_model(tmp_path / "base")
    config = {
        "benchmark": {"name": "b", "id": "home.yaml", "ood": [{"task": "away.yaml", "shift": "far"}]},
        "models": {
            "base": str(base),
            "tuned": {"adapter": str(tiny_models.save_adapter(tmp_path / "a", base))},
        },
        "engine": {"kind": "transformers", "dtype": "float32", "device": "cpu", "batch_tokens": 160},
        "scorers": SCORERS,
        "response": {"max_new_tokens": 5},
        "bootstrap": {"draws": 100},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path / "run.yaml"), str(tmp_path), "17"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # the same sums in the same order, on any machine
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["batches"] > 60
    assert said["kills"] == 10
    assert said["damaged"] == []
    # Each killed run left more behind than it found, or at least no less; the last one captured nothing anew.
    assert said["shards"] == sorted(said["shards"])
    assert len(set(said["shards"])) > 4
    assert said["left"] == 0

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    table = pq.read_table(whole / "scores.parquet")
    assert table.num_rows == 120 * (len(SCORERS) + 3)
    assert pq.read_table(killed / "scores.parquet").equals(table)
    assert (killed / "scores.parquet").read_bytes() == (
        whole / "scores.parquet"
    ).read_bytes()  # to the last bit
    assert (killed / "metrics.json").read_text() == (whole / "metrics.json").read_text()
    assert json.loads((killed / "run.json").read_text())["status"] == "complete"
    assert (killed / "report.html").stat().st_size > 1000
    assert not [entry for entry in killed.rglob("*") if entry.name.endswith(".partial")]
