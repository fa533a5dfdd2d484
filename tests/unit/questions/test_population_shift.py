"""Metrics of whole populations: what is read of a scorer's needs, and what is said where there is too little."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import llmood
from llmood.cli.gating import run_gates
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.gates import judge
from llmood.questions.population_shift import FEWEST, confidence, population_shift, readable_members
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.base import scorers
from llmood.tables import INDEX, SAMPLES
from tests.worlds import BANK, WEATHER, World, no_report, write_world

N = 60


def found(msp: np.ndarray, members: np.ndarray) -> dict[str | None, MetricRecord]:
    scored = ScoredBenchmark(
        "b",
        Population("home", "none", None, np.arange(N)),
        (Population("away", "far", None, np.arange(N, 2 * N)),),
        {"msp": msp},
        np.array([f"g{place}" for place in range(2 * N)]),
    )
    nothing = Observations(SAMPLES.empty_table(), INDEX.empty_table(), Store())
    named = {"msp": scorers.get("msp").make()}
    return {r.ood_task: r for r in population_shift(scored, nothing, named, {"msp": members}, 0)}


def test_a_sure_model_mistakes_what_is_far_for_train() -> None:
    # Confidence 0.9 on train and far away, 0.5 at home.
    records = found(np.repeat([0.5, 0.1], N), np.full(40, 0.1))
    home, away = records[None], records["away"]
    assert (home.metric, home.population, home.value) == ("mistaken_for_members", "id", 0.0)
    assert (away.population, away.value, away.n, away.shift) == ("ood", 1.0, N, "far")
    assert away.params["mean_confidence"] == away.params["threshold"] == pytest.approx(0.9)
    assert (away.params["share_of_members"], away.params["share_of_others"]) == (1.0, 0.0)
    assert home.params["mean_confidence"] is None
    # The rows that the threshold was made with are not those that it is measured on.
    assert home.n == N - away.params["others"]


def test_too_few_and_unscored_rows_have_a_reason() -> None:
    scores = np.repeat([0.5, np.nan], N)
    few = found(scores, np.full(FEWEST - 1, 0.1))
    assert {record.value for record in few.values()} == {None}
    assert few[None].reason == "fewer than 10 rows of train, or of half of ID, have a score"
    enough = found(scores, np.append(np.full(FEWEST, 0.1), np.nan))
    assert enough[None].value == 0.0
    assert (enough["away"].value, enough["away"].reason, enough["away"].n_unscored) == (
        None,
        "no row has a score",
        N,
    )


def test_confidence() -> None:
    assert confidence("complement", np.array([0.25])).tolist() == [0.75]
    assert confidence("negative_log", np.array([0.0, np.inf])).tolist() == [1.0, 0.0]


def test_which_scorers_say_how_sure_a_model_is() -> None:
    told = {name: entry.make().sureness for name, entry in scorers}
    heads = [f"{name}{whose}" for name in ("msp", "msp.tempered") for whose in ("", ".base", ".encoder")]
    assert {name: sureness for name, sureness in told.items() if sureness is not None} == {
        **dict.fromkeys((*heads, "msp.labels", "msp.labels.tempered"), "complement"),
        **dict.fromkeys(("likelihood.mean", "min_k", "sequence_probability.mean"), "negative_log"),
    }


def test_no_capture_on_train_is_no_membership() -> None:
    made = {name: scorers.get(name).make() for name in ("likelihood.mean", "msp", "length")}
    rows = pa.Table.from_pylist([{"sample_id": "s", "split": "train"}], schema=SAMPLES)
    assert readable_members(Observations(rows, INDEX.empty_table(), Store()), made) == {}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    no_report(monkeypatch)
    train = [{"text": f"my old card number {i} for travel", "label": f"intent{i % 3}"} for i in range(40)]
    bank = {"train": train, "test": BANK}
    return write_world(tmp_path / "world", bank=bank, scorers=["mahalanobis", "likelihood"])


def of_populations(run: llmood.Run) -> list[dict[str, Any]]:
    records = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    return [record for record in records if record["question"] == "population"]


def test_states_of_a_run(world: World, tmp_path: Path) -> None:
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    records = of_populations(run)
    tasks = [task["name"] for task in run.manifest["tasks"]][1:]
    assert [(r["metric"], r["ood_task"]) for r in records] == [
        (metric, task) for task in tasks for metric in ("mmd", "activation_mismatch")
    ]
    for record in records:
        assert record["value"] is not None or record["reason"] is not None
        assert record["params"]["position"] == "mean_prompt"
        assert record["n_unscored"] == 0
    for record in records[::2]:
        assert 1 / 500 <= record["params"]["p_value"] <= 1
    for record in records[1::2]:
        assert record["value"] > 0
        assert record["params"]["between_halves_of_id"] > 0
        assert len(record["params"]["layers"]) > 1
    assert of_populations(llmood.rescore(run.folder)) == records
    (gated,) = judge(run_gates([f"mmd[question=population,ood_task={tasks[0]}] <= 9"]), records)
    assert (gated.matched, list(gated.missed)) == (1, [])


def test_without_states_there_are_no_records(world: World, tmp_path: Path) -> None:
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert of_populations(llmood.rescore(run.folder, overrides=["scorers=[likelihood]"])) == []


def test_over_confidence_before_and_after_temperature_scaling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_report(monkeypatch)
    # Labels that no text tells: the head knows those of train by heart, and is right of validation by chance.
    rows = [{"text": f"my card number {i} for travel", "label": f"intent{i * i % 7 % 3}"} for i in range(140)]
    bank = {"train": rows[:60], "validation": rows[60:100], "test": rows[100:]}
    world = write_world(
        tmp_path / "world",
        bank=bank,
        near=[{**row, "label": "weather"} for row in WEATHER],
        far=None,
        task={"fields": {"label": "label"}},
        scorers=["msp", "msp.tempered"],
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    records = {
        (r["scorer"], r["ood_task"]): r for r in of_populations(run) if r["metric"] == "mistaken_for_members"
    }
    tasks = [None, *(task["name"] for task in run.manifest["tasks"][1:])]
    assert set(records) == {(scorer, task) for scorer in ("msp", "msp.tempered") for task in tasks}
    for task in tasks:
        before, after = records["msp", task], records["msp.tempered", task]
        assert before["value"] is not None
        assert after["value"] is not None
        assert (before["n"], before["params"]["members"]) == (after["n"], after["params"]["members"])
        # Less sure of everything, so that its threshold is lower.
        assert after["params"]["threshold"] < before["params"]["threshold"]
