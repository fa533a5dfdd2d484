"""Slices by the base model's likelihood, from the command line: where it was asked anyway, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from llmood.metrics import auroc, thirds
from tests.task_files import write_jsonl
from tests.worlds import World, llmood, no_model_runs, write_world

NEAR = [{"text": f"the weather of town {i} {'my card ' * (i % 5)}today"} for i in range(36)]
SLICES = ["familiar", "middle", "unfamiliar"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    scorers = ["likelihood_ratio", "likelihood", "likelihood.base.mean"]
    return write_world(tmp_path_factory.mktemp("familiar"), near=NEAR, scorers=scorers)


def records(run: Path) -> list[dict[str, Any]]:
    return list(json.loads((run / "metrics.json").read_text(encoding="utf-8")))


def own(run: Path) -> list[dict[str, Any]]:
    return [record for record in records(run) if record["question"] == "familiarity"]


def test_slices_are_those_of_the_stored_scores(world: World, tmp_path: Path, no_report: None) -> None:
    run = tmp_path / "run"
    assert llmood("run", world.config, "-o", run).code == 0
    scores = pd.read_parquet(run / "scores.parquet").pivot(
        index="sample_id", columns="scorer", values="score"
    )
    tasks = pd.read_parquet(run / "samples.parquet").set_index("sample_id")["task"]
    near, bank = (scores.loc[tasks.index[tasks == name]] for name in ("near", "bank"))
    part = thirds(near["likelihood.base.mean"])
    found = {
        (record["scorer"], record["slice"]): record for record in own(run) if record["ood_task"] == "near"
    }
    for scorer in ("likelihood_ratio", "likelihood", "length"):
        for place, name in enumerate(SLICES):
            values = near[scorer][part == place]
            is_ood = np.repeat([False, True], [len(bank), len(values)])
            record = found[scorer, name]
            assert record["value"] == pytest.approx(auroc(np.append(bank[scorer], values), is_ood))
            assert (record["n_negative"], record["n_positive"]) == (24, len(values))
        gap = found[scorer, None]
        ends = [found[scorer, name]["value"] for name in (SLICES[2], SLICES[0])]
        assert gap["value"] == pytest.approx(ends[0] - ends[1])
        assert gap["ci_low"] <= gap["value"] <= gap["ci_high"]


def test_the_base_model_is_not_asked_for_it(world: World, tmp_path: Path) -> None:
    """With a ratio the base model's numbers are there, and no score is added; without one they aren't."""
    ratio, alone = tmp_path / "ratio", tmp_path / "alone"
    assert llmood("run", world.config, "-o", ratio, "--set", "scorers=[likelihood_ratio]").code == 0
    assert own(ratio)
    named = set(pd.read_parquet(ratio / "scores.parquet")["scorer"])
    assert named == {"likelihood_ratio", "length", "random", "constant"}
    assert llmood("run", world.config, "-o", alone, "--set", "scorers=[likelihood]").code == 0
    assert own(alone) == []
    captures = set(pd.read_parquet(alone / "observations/index.parquet")["capture"])
    assert not any("base" in capture for capture in captures)
    page = (alone / "report.html").read_text(encoding="utf-8")
    assert "Left out: this takes the base model’s log-probabilities" in page
    assert "Left out" not in (ratio / "report.html").read_text(encoding="utf-8")


def test_scoring_again_slices_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_report: None
) -> None:
    run = tmp_path / "run"
    assert llmood("run", world.config, "-o", run).code == 0
    before = own(run)
    no_model_runs(monkeypatch)
    assert llmood("rescore", run).code == 0
    assert own(run) == before
    assert llmood("rescore", run, "--set", "scorers=[likelihood]").code == 0
    kept = [
        record for record in before if record["scorer"] not in ("likelihood_ratio", "likelihood.base.mean")
    ]
    assert own(run) == kept


def test_no_slice_is_taken_for_the_whole(world: World, tmp_path: Path, no_report: None) -> None:
    run = tmp_path / "run"
    gates = [
        "auroc[scorer=likelihood,ood_task=near] <= 1",
        "auroc_in_slice[question=familiarity,scorer=likelihood,ood_task=near,slice=familiar] <= 1",
        "auroc_familiarity_gap[question=familiarity,scorer=likelihood,ood_task=near] <= 1",
    ]
    options = [part for gate in gates for part in ("--gate", gate)]
    outcome = llmood("run", world.config, "-o", run, "--json", *options)
    assert outcome.code == 0
    assert [gate["matched"] for gate in outcome.json()["gates"]] == [1, 1, 1]
    # Without a question, or without a slice, a gate finds no slice.
    for gate in ("auroc_in_slice[slice=familiar] <= 1", "auroc_in_slice[question=familiarity] <= 1"):
        missed = llmood("report", run, "--gate", gate)
        assert missed.code == 3
        assert "no record matches" in missed.out
    for key, value in (("question", "ood_detection"), ("metric", "auroc")):
        whole = [record for record in records(run) if record[key] == value]
        assert {record["slice"] for record in whole} == {None}
    shown = llmood("report", run).out
    assert "familiar" not in shown
    compared = llmood("compare", run, run, "--scorer", "likelihood", "--json")
    assert compared.code == 0
    assert {record["slice"] for record in compared.json()["metrics"]} == {None}


def test_an_import_is_sliced_by_what_it_brings(tmp_path: Path) -> None:
    """Rows without numbers of the base model are in no slice, each with its reason."""

    def rows(first: int, count: int) -> list[dict[str, Any]]:
        return [
            {
                "prompt": f"what is {number}",
                "prompt_logprobs": {"tuned": [None, -0.01 * number], "base": [None, -0.02 * number]},
            }
            for number in range(first, first + count)
        ]

    strangers = [*rows(30, 30), {"prompt": "one", "prompt_logprobs": {"tuned": [None], "base": [None]}}]
    strangers += [
        {"prompt": f"unread {number}", "prompt_logprobs": {"tuned": [None, -1.0]}} for number in range(2)
    ]
    ours = write_jsonl(tmp_path / "traffic.jsonl", rows(1, 12))
    theirs = write_jsonl(tmp_path / "strangers.jsonl", strangers)
    run = tmp_path / "run"
    made = llmood(
        "import", ours, "--ood", theirs, "--shift", "near", "-o", run, "--set", "bootstrap.draws=100"
    )
    assert made.code == 0, made.err
    found = {record["slice"]: record for record in own(run) if record["scorer"] == "likelihood"}
    assert [found[name]["n_positive"] for name in SLICES] == [10, 10, 10]
    # From −log p = 0.6 on: ten rows a slice, 0.02 apart.
    assert [found[name]["params"]["from"] for name in SLICES] == pytest.approx([0.6, 0.8, 1.0])
    not_sliced = found[None]["params"]["not_sliced"]
    assert sorted(not_sliced.values()) == [1, 2]
    assert not_sliced["one token: nothing to predict"] == 1
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "1 in no slice: one token: nothing to predict" in page
