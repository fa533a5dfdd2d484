"""A run with several adapters: the first one's numbers, and how far they depend on the tuning run."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

import llmood
from tests.worlds import World, write_world

ADAPTERS = [
    {"adapter": "fake-one:bank card travel"},
    {"adapter": "fake-two:bank number"},
    {"adapter": "fake-three:my"},
]
SCORERS = ["likelihood_ratio", "likelihood_ratio.response", "likelihood.base"]


def world_of(folder: Path, tuned: Any) -> World:
    return write_world(folder, models={"base": "fake", "tuned": tuned}, scorers=SCORERS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, llmood.Run]:
    """Each adapter by itself, and all three together."""
    folder = tmp_path_factory.mktemp("adapters")
    made = {}
    for name, tuned in (("all", ADAPTERS), *((f"only{i}", one) for i, one in enumerate(ADAPTERS))):
        world = world_of(folder / name, tuned)
        made[name] = llmood.evaluate(world.config, output_dir=folder / name / "run")
    return made


def column(run: llmood.Run, scorer: str) -> list[float]:
    return list(run.scores().query("scorer == @scorer").score)


@pytest.mark.parametrize("scorer", ["likelihood_ratio", "likelihood_ratio.response"])
def test_each_adapter_scores_as_it_does_alone(runs: dict[str, llmood.Run], scorer: str) -> None:
    together = runs["all"]
    assert together.status == "complete"
    for place in range(3):
        name = scorer if place == 0 else f"{scorer}@tuned:{place}"
        assert column(together, name) == pytest.approx(column(runs[f"only{place}"], scorer), nan_ok=True)
    assert column(together, scorer) != column(together, f"{scorer}@tuned:1")


def test_what_reads_no_adapter_is_scored_once(runs: dict[str, llmood.Run]) -> None:
    names = set(runs["all"].scores().scorer)
    assert "likelihood.base" in names
    assert not any(name.startswith(("likelihood.base@", "length@")) for name in names)


def test_the_spread_is_that_of_the_single_runs(runs: dict[str, llmood.Run]) -> None:
    single = [
        run.metrics()
        .query("metric == 'auroc' and scorer == 'likelihood_ratio' and ood_task == 'near'")
        .value.item()
        for name, run in runs.items()
        if name != "all"
    ]
    found = [
        record
        for record in runs["all"].records()
        if record["slice"] == "over_adapters"
        and (record["scorer"], record["metric"], record["ood_task"]) == ("likelihood_ratio", "auroc", "near")
    ]
    assert len(found) == 1
    (record,) = found
    assert record["value"] == pytest.approx(fmean(single))
    assert record["params"]["standard_deviation"] == pytest.approx(stdev(single))
    assert list(record["params"]["adapters"].values()) == pytest.approx(single)
    assert record["ci_low"] is None


def test_only_the_first_is_compared_and_shown(runs: dict[str, llmood.Run]) -> None:
    behind = {r["scorer"] for r in runs["all"].records() if r["metric"] == "auroc_behind_best"}
    assert behind == set(SCORERS)
    page = (runs["all"].folder / "report.html").read_text()
    assert "fake-two" in page  # which adapters they are
    assert "Over 3 adapters" in page
    assert " ± " in page


def test_rescoring_says_the_same(tmp_path: Path) -> None:
    run = llmood.evaluate(world_of(tmp_path, ADAPTERS).config, output_dir=tmp_path / "run")
    before = run.records()
    assert llmood.rescore(run.folder).records() == before
