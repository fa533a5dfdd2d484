"""A pipeline stops at what a gate says, and learns why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.worlds import World, llmood, write_world

pytestmark = pytest.mark.usefixtures("no_report")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("gates"))


def run(world: World, *gates: str, as_json: bool = False) -> tuple[int, str]:
    options = [part for gate in gates for part in ("--gate", gate)]
    extra = ["--json"] if as_json else []
    outcome = llmood("run", world.config, "-o", world.folder / "run", *options, *extra)
    assert outcome.err == ""
    return outcome.code, outcome.out


@pytest.mark.parametrize(
    "gate",
    [
        "auroc[scorer=likelihood_ratio,shift=near] >= 0.5",
        "auroc[scorer=constant] == 0.5",
        "auroc[scorer=likelihood_ratio,ood_task=far]>0",
        "fpr_at_95tpr_ood[scorer=likelihood] <= 1",
        "spearman_length[question=length_confound,scorer=random,shift=none] <= 1",
        "auroc[ scorer = constant , severity=null, slice=null ] < 0.51",
    ],
)
def test_a_gate_that_holds(world: World, gate: str) -> None:
    code, out = run(world, gate)
    assert code == 0
    assert f"gate held: {gate}" in out


@pytest.mark.parametrize(
    ("gate", "why"),
    [
        ("auroc[scorer=constant] >= 0.6", "2 of 2 records miss it; constant on near: 0.5000"),
        ("auroc >= 0.51", "length on near"),  # every record must hold
        ("auroc[scorer=nobody] >= 0", "no record matches"),
        ("nothing >= 0", "no record matches"),
        # Without a question it is about detection, whatever else has such a metric.
        ("spearman_length[scorer=random] <= 1", "no record matches"),
        # The constant's correlation with length is undefined.
        ("spearman_length[question=length_confound,scorer=constant] <= 1", "undefined"),
    ],
)
def test_a_gate_that_is_missed(world: World, gate: str, why: str) -> None:
    code, out = run(world, gate)
    assert code == 3
    assert f"gate MISSED: {gate}" in out
    assert why in out


def test_all_gates_are_judged(world: World) -> None:
    code, out = run(world, "auroc[scorer=constant] >= 0.6", "auroc[scorer=constant] >= 0.5")
    assert code == 3
    assert (out.count("gate held"), out.count("gate MISSED")) == (1, 1)


def test_gates_in_json(world: World) -> None:
    code, out = run(world, "auroc[scorer=constant] >= 0.6", "auroc[scorer=constant] >= 0.5", as_json=True)
    assert code == 3
    first, second = json.loads(out)["gates"]
    assert first == {"gate": "auroc[scorer=constant] >= 0.6", "held": False, "matched": 2, "missed": 2}
    assert second["held"]


@pytest.mark.parametrize("gate", ["auroc[scorer=constant] == 0.5", "auroc[scorer=constant] > 0.5"])
def test_a_run_that_fell_short_fails_whatever_its_gates(world: World, tmp_path: Path, gate: str) -> None:
    assert run(world)[0] == 0
    partial = tmp_path / "partial"
    short = write_world(tmp_path / "world", near=[{"text": "weather"}, {"text": "rain"}, "broken"])
    assert llmood("run", short.config, "-o", partial).code == 1
    both = (world.folder / "run", partial, "-o", tmp_path)
    assert llmood("report", *both, "--gate", gate).code == 1
    assert llmood("report", *both).code == 0  # the page is all that was asked for


def test_a_rescored_run_is_shown_as_it_was_scored(world: World) -> None:
    assert run(world)[0] == 0
    folder = world.folder / "run"
    outcome = llmood("rescore", folder, "--set", "bootstrap.level=0.995", "--seed", 7)
    assert outcome.code == 0
    assert "AUROC [99.5%]" in outcome.out
    scored = json.loads((folder / "run.json").read_text())["rescored"]
    assert (scored["seed"], scored["bootstrap"]["level"]) == (7, 0.995)
    assert "AUROC [95%]" in llmood("rescore", folder).out


@pytest.mark.parametrize("verb", ["rescore", "report"])
def test_gates_of_other_verbs(world: World, verb: str, tmp_path: Path) -> None:
    assert run(world)[0] == 0
    folder = world.folder / "run"
    held = llmood(verb, folder, "--gate", "auroc[scorer=constant] == 0.5")
    assert held.code == 0
    missed = llmood(verb, folder, "--gate", "auroc[scorer=constant] > 0.5")
    assert missed.code == 3
    assert "gate MISSED: auroc[scorer=constant] > 0.5" in missed.out
    as_json = llmood(verb, folder, "--gate", "auroc[scorer=constant] > 0.5", "--json")
    assert as_json.code == 3
    assert [gate["held"] for gate in as_json.json()["gates"]] == [False]
