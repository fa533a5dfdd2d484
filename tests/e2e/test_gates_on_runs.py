"""A pipeline stops at what a gate says, and learns why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.worlds import World, llmood, no_model_runs, refused, tree, write_world

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
        (
            "auroc >= 0.99",
            "of 4 records miss it; likelihood",
        ),  # every record must hold, but for the baselines
        ("auroc[scorer=perplexity] >= 0", "no record matches"),
        ("score_shift[question=severity] >= 0", "no record matches"),
        # Without a question it is about detection, whatever else has such a metric.
        (
            "spearman_length[scorer=random] <= 1",
            "no record matches; another question has some: 'spearman_length[question=length_confound,scorer=",
        ),
        # The constant's correlation with length is undefined.
        ("spearman_length[question=length_confound,scorer=constant] <= 1", "undefined"),
    ],
)
def test_a_gate_that_is_missed(world: World, gate: str, why: str) -> None:
    code, out = run(world, gate)
    assert code == 3
    assert f"gate MISSED: {gate}" in out
    assert why in out


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("aurok[scorer=likelihood] >= 0", ("no metric 'aurok'", "did you mean 'auroc'")),
        ("auroc_difference >= 0", ("no metric 'auroc_difference'",)),
        ("auroc[scorer=likelihod] >= 0", ("no scorer 'likelihod'", "'likelihood'")),
        ("auroc[scorer=lr@tuned:1] >= 0", ("no scorer 'lr'",)),
        ("auroc[question=ood_detections] >= 0", ("no question", "'ood_detection'")),
        ("auroc[shift=fa] >= 0", ("no shift 'fa'", "'far'")),
    ],
)
def test_a_name_that_nothing_has_is_found_before_anything_loads(
    world: World, gate: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_model_runs(monkeypatch)
    target = tmp_path / "run"
    refused(llmood("run", world.config, "-o", target, "--gate", gate), "--gate", *words)
    refused(llmood("run", world.config, "-o", target, "--dry-run", "--gate", gate), *words)
    assert not target.exists()


@pytest.mark.parametrize("verb", ["rescore", "report"])
def test_a_name_that_nothing_has_is_a_mistake_of_every_verb(world: World, verb: str) -> None:
    assert run(world)[0] == 0
    folder = world.folder / "run"
    before = tree(folder)
    refused(llmood(verb, folder, "--gate", "auroc[scorer=likelihod] >= 0"), "no scorer 'likelihod'")
    refused(llmood(verb, folder, "--gate", "aurok >= 0"), "no metric 'aurok'")
    assert tree(folder) == before
    assert llmood(verb, folder, "--gate", "auroc[scorer=likelihood@tuned:1] >= 0").code == 3


def test_a_report_knows_the_names_of_its_own_run(world: World, tmp_path: Path) -> None:
    """What another package registered when the run was made is no mistake where it isn't installed."""
    assert run(world)[0] == 0
    folder = tmp_path / "run"
    shutil.copytree(world.folder / "run", folder)
    path = folder / "metrics.json"
    path.write_text(path.read_text().replace('"likelihood"', '"of_a_plugin"'))
    assert llmood("report", folder, "--gate", "auroc[scorer=of_a_plugin] >= 0").code == 0


def test_a_gate_counts_its_records(world: World) -> None:
    assert "(1 record)" in run(world, "auroc[scorer=constant,shift=near] == 0.5")[1]
    assert "(2 records)" in run(world, "auroc[scorer=constant] == 0.5")[1]
    assert "(1 of 1 record misses it; " in run(world, "auroc[scorer=constant,shift=near] > 0.5")[1]


def test_a_gate_on_several_adapters_says_which_it_means(tmp_path: Path) -> None:
    tuned = [{"adapter": "fake-one:bank card travel"}, {"adapter": "fake-two:bank number"}]
    world = write_world(tmp_path, models={"base": "fake", "tuned": tuned})
    of = "auroc[scorer=likelihood_ratio,shift=near"
    _, out = run(
        world, f"{of}] >= 0", f"{of},slice=over_adapters] >= 0", "auroc[scorer=length,shift=near] >= 0"
    )
    assert f"gate held: {of}] >= 0 (1 record, of the first adapter)" in out
    assert f"gate held: {of},slice=over_adapters] >= 0 (1 record)" in out
    assert "gate held: auroc[scorer=length,shift=near] >= 0 (1 record)" in out


def test_rescoring_says_which_scores_it_took_away(world: World) -> None:
    assert run(world)[0] == 0
    folder = world.folder / "run"
    fewer = llmood("rescore", folder, "--set", "scorers=[likelihood.mean]")
    assert fewer.code == 0
    said = f"scores of likelihood_ratio, likelihood are no longer in {folder}: "
    assert fewer.err.startswith(said)
    assert "no model loads" in fewer.err
    back = llmood("rescore", folder, "--set", "scorers+=[likelihood.mean]")
    assert (back.code, back.err) == (0, "")
    asked = json.loads((folder / "run.json").read_text())["rescored"]["scorers"]
    assert asked == ["likelihood_ratio", "likelihood", "likelihood.mean"]
    assert "scores of likelihood.mean are no longer" in llmood("rescore", folder).err


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
