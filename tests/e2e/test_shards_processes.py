"""Shards as jobs: at the same time in one folder and one store, twice by mistake, killed and started again."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import llmood as package
from tests import tiny_models
from tests.e2e.test_kill import write_task
from tests.e2e.test_processes import STUCK, wait_for
from tests.worlds import World, llmood, refused, spawn, tree, write_world

SAME = ("samples.parquet", "scores.parquet", "metrics.json", "checks.json", "rejects.jsonl")
# In containers the first process of each has the same number.
CONTAINER = "import os\nos.getpid = lambda: 7\n"


@pytest.fixture
def world(tmp_path: Path, fresh_cache: Path) -> World:
    scorers = ["likelihood_ratio", "likelihood.response"]
    return write_world(tmp_path / "world", engine={"kind": "fake", "batch_tokens": 1}, scorers=scorers)


def uncut(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The run that was never cut, from a store of its own."""
    with monkeypatch.context() as patch:
        patch.setenv("LLMOOD_CACHE", str(folder / "another"))
        assert llmood("run", world.config, "-o", folder / "uncut").code == 0
    return {name: content for name, content in tree(folder / "uncut").items() if name in SAME}


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_jobs_at_the_same_time(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    with ExitStack() as stack:
        jobs = [
            stack.enter_context(
                spawn(
                    "run", world.config, "-o", folder, "--shard", f"{index}/3", cwd=tmp_path, patch=CONTAINER
                )
            )
            for index in range(3)
        ]
        for job in jobs:
            _, err = job.communicate(timeout=120)
            assert (job.returncode, err) == (0, "")
    assert llmood("merge", folder).code == 0
    merged = tree(folder)
    assert {name: merged[name] for name in SAME} == uncut(world, tmp_path, monkeypatch)
    assert llmood("cache", "verify").code == 0
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.usefixtures("no_report")
def test_a_shard_that_is_killed_goes_on(
    world: World, tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    folder = tmp_path / "run"
    command = ("run", world.config, "-o", folder, "--shard", "0/2")
    with spawn(*command, cwd=tmp_path, patch=STUCK) as process:
        wait_for(tmp_path / "stuck", process)
        # Meanwhile this shard is taken, the other one is not.
        refused(llmood(*command), "0-of-2: another run is writing here", "wait for it to end")
        assert llmood("run", world.config, "-o", folder, "--shard", "1/2").code == 0
        outcome = llmood("merge", folder)
        assert outcome.code == 1
        assert "shard 0/2 is not finished (running)" in outcome.err
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    status = "interrupted" if number == signal.SIGTERM else "running"
    assert f"shard 0/2 is not finished ({status})" in llmood("merge", folder).err
    kept = set(fresh_cache.rglob("*.parquet"))
    assert llmood(*command).code == 0
    assert kept < set(fresh_cache.rglob("*.parquet"))
    assert llmood("merge", folder).code == 0
    merged = tree(folder)
    assert {name: merged[name] for name in SAME} == uncut(world, tmp_path, monkeypatch)


def numbers(export: Path) -> dict[tuple[str, str], list[float]]:
    """Log-probabilities by capture and sample."""
    return {
        (path.stem, row["sample_id"]): [value for value in row["logprobs"] or () if value is not None]
        for path in export.glob("*-*.parquet")
        for row in pq.read_table(path, columns=["sample_id", "logprobs"]).to_pylist()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_cache", "no_report")
def test_a_model_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch mates differ, so the last bits may; more than that may not."""
    write_task(tmp_path, "home", ["pay", "card", "bank", "loan"], 70)
    write_task(tmp_path, "away", ["tree", "river", "cloud", "stone"], 50)
    base = tiny_models.save_model(tmp_path / "base")
    adapter = tiny_models.save_adapter(tmp_path / "a", base)
    config = {
        "benchmark": {"name": "b", "id": "home.yaml", "ood": [{"task": "away.yaml", "shift": "far"}]},
        "models": {"base": str(base), "tuned": {"adapter": str(adapter)}},
        "engine": {"kind": "transformers", "dtype": "float32", "device": "cpu"},
        "scorers": ["likelihood_ratio", "likelihood.mean", "likelihood.response_given_prompt"],
        "response": {"max_new_tokens": 5},
        "bootstrap": {"draws": 100},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    for index in range(3):
        monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / f"store{index}"))
        command = ("run", tmp_path / "run.yaml", "-o", tmp_path / "run", "--shard", f"{index}/3", "--carry")
        assert llmood(*command).code == 0
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "merging"))
    assert llmood("merge", tmp_path / "run").code == 0
    assert llmood("cache", "export", tmp_path / "run", "-o", tmp_path / "merged").code == 0
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "another"))
    assert llmood("run", tmp_path / "run.yaml", "-o", tmp_path / "uncut").code == 0
    assert llmood("cache", "export", tmp_path / "uncut", "-o", tmp_path / "whole").code == 0
    ours, theirs = numbers(tmp_path / "merged"), numbers(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    assert len(ours) == 120 * 4
    furthest = 0.0
    for key, values in ours.items():
        assert len(values) == len(theirs[key])
        furthest = max(furthest, *np.abs(np.subtract(values, theirs[key])), 0.0)
    assert furthest < tiny_models.TOLERANCE
    merged, whole = (package.Run(tmp_path / name) for name in ("run", "uncut"))
    assert merged.samples().equals(whole.samples())
    for mine, other in zip(merged.records(), whole.records(), strict=True):
        assert {key: mine[key] for key in ("scorer", "metric", "ood_task", "n")} == {
            key: other[key] for key in ("scorer", "metric", "ood_task", "n")
        }
        if mine["metric"] == "auroc":
            assert mine["value"] == pytest.approx(other["value"], abs=0.003)
