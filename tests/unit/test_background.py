"""A background task: read, captured, learned from, and in no number; refused where it would be OOD data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

import llmood
from llmood.config_file import load_config
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.errors import ConfigError, LlmoodError, UnknownNameError
from llmood.export import export_rows, export_run
from llmood.importing import import_file
from llmood.plan import Plan
from llmood.planning import make_plan
from llmood.records import CaptureSpec
from llmood.scorers.artefacts import load_scorer
from llmood.scorers.states import states_at
from llmood.tables import INDEX, SAMPLES, read_table
from tests.task_files import write_task
from tests.worlds import WEATHER, World, no_model_runs, no_report, refused, write_world
from tests.worlds import llmood as command

TRAIN = [{"text": f"pay the bill number {i} by card {i % 7}", "label": f"intent{i % 3}"} for i in range(60)]
TEST = [{"text": f"my bank card number {i} for travel", "label": f"intent{i % 3}"} for i in range(24)]
STREET = [{"text": f"the street of town {i} is {'long' if i % 2 else 'wide'}"} for i in range(30)]
SCORER = "relative_mahalanobis"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)


def with_background(folder: Path, rows: Any = None, *, labels: bool = True, **config: Any) -> World:
    """A world whose scorer has `street` as its background."""
    (folder / "street").mkdir(parents=True)
    write_task(folder / "street", {"train": STREET} if rows is None else rows, name="street")
    asked = {SCORER: {"background": "street/t.yaml"}}
    world = write_world(folder, **{"scorers": [asked, "mahalanobis.one_class", "likelihood"], **config})
    fields = {"fields": {"label": "label"}} if labels else {}
    write_task(folder / "bank", {"train": TRAIN, "test": TEST}, name="bank", **fields)
    return world


def planned(world: World) -> Plan:
    return make_plan(load_config(world.config)[0], folder=world.folder)


def observed(run: llmood.Run) -> Observations:
    samples = read_table(run.folder / "samples.parquet", SAMPLES)
    return Observations(samples, read_table(run.folder / "observations/index.parquet", INDEX), Store())


def scores(run: llmood.Run, scorer: str = SCORER) -> Any:
    return run.scores().query("scorer == @scorer").set_index("sample_id")["score"].sort_index()


def test_it_is_read_and_is_in_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = llmood.evaluate(with_background(tmp_path / "world").config, output_dir=tmp_path / "run")
    assert run.status == "complete"
    samples = run.samples()
    behind = samples[samples.population == "background"]
    assert (set(behind.task), set(behind.split), len(behind)) == ({"street"}, {"background"}, 30)
    assert run.manifest["background"]["samples"] == {"train": 30}
    assert "street" not in {task["name"] for task in run.manifest["tasks"]}
    # Captured: what the scorer reads, and nothing that others read.
    index = read_table(run.folder / "observations/index.parquet", INDEX).to_pandas()
    own = index[index.sample_id.isin(behind.sample_id)]
    assert {name.partition("/")[0] for name in own.capture} == {"hidden_states"}
    # Neither scored, nor in a record.
    found = run.scores()
    assert not set(found.sample_id) & set(behind.sample_id)
    assert "street" not in json.dumps(run.records()).replace("against street/t.yaml", "")
    assert (found[found.scorer == SCORER].status == "ok").all()
    assert found[found.scorer == SCORER].definition.str.endswith("against street/t.yaml").all()
    no_model_runs(monkeypatch)
    assert scores(llmood.rescore(run.folder)).equals(scores(run))


def test_the_score_is_the_formula(tmp_path: Path) -> None:
    """Distances to classes of train less that to one Gaussian of the background, by scikit-learn's covariances."""
    run = llmood.evaluate(with_background(tmp_path / "world").config, output_dir=tmp_path / "run")
    rows = observed(run)
    spec = next(CaptureSpec.from_id(name) for name in rows.captures if name.startswith("hidden_states"))
    train, behind, test = (
        states_at(part, spec, -1, "mean_prompt").astype(np.float64)
        for part in (rows.of("train"), rows.background, rows.of("test"))
    )
    labels = np.array(rows.of("train").samples["label"].to_pylist())
    means = {name: train[labels == name].mean(axis=0) for name in set(labels)}
    within = LedoitWolf(assume_centered=True).fit(
        np.array([x - means[n] for x, n in zip(train, labels, strict=True)])
    )
    near = np.min(
        [np.einsum("ij,jk,ik->i", test - mean, within.precision_, test - mean) for mean in means.values()],
        axis=0,
    )
    fitted = LedoitWolf().fit(behind)
    expected = near - fitted.mahalanobis(test)
    found = scores(run).loc[rows.of("test").samples["sample_id"].to_pylist()]
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-5, atol=1e-6)


def test_one_class_will_do(tmp_path: Path) -> None:
    """Against itself its distance would be 0, against another task's rows it is not."""
    world = with_background(tmp_path / "world", labels=False)
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert scores(run).nunique() > 20


@pytest.mark.parametrize(
    ("background", "message"),
    [
        ("bank/t.yaml", "scorers: relative_mahalanobis: background: bank is the ID task"),
        ("near/t.yaml", "near is one of the benchmark's OOD tasks, and nothing is fitted on OOD data"),
        ("strete", "scorers: relative_mahalanobis: background: no task 'strete'"),
        ("no/t.yaml", "background: no task file"),
        ("two\nlines", "background: no task 'two"),  # said in one line
    ],
)
def test_what_is_no_background_is_refused(tmp_path: Path, background: str, message: str) -> None:
    world = with_background(tmp_path).edit(scorers=[{SCORER: {"background": background}}])
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        planned(world)
    refused(command("run", world.config, "-o", tmp_path / "run"), message)
    assert not (tmp_path / "run").exists()


def test_the_original_of_a_corruption_is_refused(tmp_path: Path) -> None:
    world = with_background(tmp_path)
    benchmark = {
        "name": "small",
        "id": "bank/t.yaml",
        "ood": [{"task": "near/t.yaml", "corruption": "typos"}],
    }
    world.edit(benchmark=benchmark, scorers=[{SCORER: {"background": "near/t.yaml"}}])
    with pytest.raises(ConfigError, match="near is one of the benchmark's OOD tasks"):
        planned(world)


def test_two_backgrounds_are_refused(tmp_path: Path) -> None:
    world = with_background(tmp_path)
    two = [{SCORER: {"background": "street/t.yaml"}}, {f"{SCORER}.base": {"background": "other"}}]
    with pytest.raises(
        ConfigError,
        match=r"has the background street/t.yaml and .*base other, and a run reads one.*in one way",
    ):
        planned(world.edit(scorers=two))


@pytest.mark.parametrize("rows", [1, 2])
def test_too_few_rows_are_refused(tmp_path: Path, rows: int) -> None:
    world = with_background(tmp_path, {"train": STREET[:rows]})
    counted = "1 row" if rows == 1 else "2 rows"
    refused(command("run", world.config, "-o", tmp_path / "run"), f"background: street has {counted} that")
    assert not (tmp_path / "run").exists()


def test_three_rows_will_do_and_rows_without_states_are_named(tmp_path: Path) -> None:
    rows = {"train": [{"text": f"the street is {kind}"} for kind in ("long", "wide", "old")]}
    world = with_background(tmp_path / "world", rows)
    three = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert (three.scores().query("scorer == @SCORER")["status"] == "ok").all()
    # Over the context, none of them has a state.
    long = {"train": [{"text": "the street " * 5000 + str(place)} for place in range(4)]}
    other = llmood.evaluate(with_background(tmp_path / "long", long).config, output_dir=tmp_path / "none")
    found = other.scores().query("scorer == @SCORER")
    said = "nothing can be learned from the background street/t.yaml: no row has a state of tuned"
    assert set(found["status"]) == {"unscored"}
    assert set(found["reason"]) == {said}


def test_measured_texts_leave_it(tmp_path: Path) -> None:
    plan = planned(with_background(tmp_path, {"train": [*STREET, *WEATHER[:3]]}))
    assert plan.background is not None
    assert len(plan.background.samples) == len(STREET)
    (left,) = (check for check in plan.checks if check.code == "overlap_left_background")
    assert left.values == {"rows": 3}
    with pytest.raises(LlmoodError, match="no row that the benchmark doesn't measure"):
        planned(with_background(tmp_path / "all", {"train": WEATHER}))


def test_of_splits_train_is_read_and_else_all(tmp_path: Path) -> None:
    one = planned(with_background(tmp_path / "one", {"train": STREET[:20], "test": STREET[20:]}))
    other = planned(with_background(tmp_path / "other", {"validation": STREET[:20], "test": STREET[20:]}))
    assert one.background is not None
    assert other.background is not None
    assert (len(one.background.samples), len(other.background.samples)) == (20, 30)


def test_scoring_again_reads_no_other(tmp_path: Path) -> None:
    run = llmood.evaluate(with_background(tmp_path / "world").config, output_dir=tmp_path / "run")
    other = f'scorers=[{{"{SCORER}": {{"background": "weather"}}}}]'
    with pytest.raises(ConfigError, match=r"reads the background weather, and .*run holds street/t.yaml"):
        llmood.rescore(run.folder, overrides=[other])
    before = scores(run)
    after = scores(llmood.rescore(run.folder, overrides=[f"scorers=[{SCORER}]"]))
    assert len(after.dropna()) == len(before)
    assert not after.equals(before)


def test_a_fitted_one_says_what_its_background_was(tmp_path: Path) -> None:
    made = {}
    for name, rows in (("one", STREET), ("two", STREET[1:])):
        world = with_background(tmp_path / name / "world", {"train": rows})
        run = llmood.evaluate(world.config, output_dir=tmp_path / name / "run")
        made[name] = {
            scorer: load_scorer(run.folder / "scorers" / scorer)
            for scorer in (SCORER, "mahalanobis.one_class")
        }
    one, two = made["one"], made["two"]
    assert one[SCORER].origin.samples["rows"] - two[SCORER].origin.samples["rows"] == 1
    assert one[SCORER].origin.samples["digest"] != two[SCORER].origin.samples["digest"]
    assert one["mahalanobis.one_class"].origin == two["mahalanobis.one_class"].origin
    assert one[SCORER].scorer.background == "street/t.yaml"


def test_shards_are_merged_to_the_same(tmp_path: Path) -> None:
    world = with_background(tmp_path / "world")
    whole = llmood.evaluate(world.config, output_dir=tmp_path / "whole")
    for index in range(2):
        llmood.evaluate(world.config, output_dir=tmp_path / "run", shard=(index, 2))
    merged = llmood.merge(tmp_path / "run")
    assert scores(merged).equals(scores(whole))
    assert merged.manifest["background"] == whole.manifest["background"]


def test_combinations_and_further_adapters_have_it_too(tmp_path: Path) -> None:
    asked = {SCORER: {"background": "street/t.yaml"}}
    joined = {"rank_average": {"of": [SCORER, "likelihood"]}}
    models = {"base": "b", "tuned": [{"adapter": "one"}, {"adapter": "two"}]}
    world = with_background(tmp_path / "world", scorers=[asked, joined], models=models)
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert (run.scores().status == "ok").all()
    assert not scores(run).equals(scores(run, f"{SCORER}@tuned:1"))
    alone = planned(with_background(tmp_path / "alone", scorers=[joined, asked]))
    (behind,) = (spec for spec, parts in alone.splits.items() if "background" in parts)
    assert behind.kind == "hidden_states"


def test_the_canary_sees_as_many_samples(tmp_path: Path) -> None:
    """Rows of which nothing is captured that can be compared don't take the place of those that can."""
    many = [{"text": f"a long street number {i}"} for i in range(300)]
    plan = planned(with_background(tmp_path, {"train": many}))
    observer = Observer(plan.engine, plan.prompts, Store(), private=False, splits=plan.splits, watch=8)
    spec = CaptureSpec.of("prompt_logprobs", "tuned")
    observer.run(spec)
    behind = {prompt.sample_id for prompt in plan.prompts if prompt.split == "background"}
    assert len(behind) == 300
    assert len(observer.watched) > 2


def test_an_export_keeps_it_and_rows_leave_it(tmp_path: Path) -> None:
    run = llmood.evaluate(with_background(tmp_path / "world").config, output_dir=tmp_path / "run")
    list(export_run(run.folder, tmp_path / "export"))
    again = import_file(tmp_path / "export", output_dir=tmp_path / "again")
    assert scores(again).equals(scores(run))
    export_rows(run.folder, tmp_path / "rows.jsonl")
    assert "street" not in (tmp_path / "rows.jsonl").read_text()
    asked = f'scorers=[{{"{SCORER}": {{"background": "street"}}}}]'
    with pytest.raises(ConfigError, match=r"reads the background street, and .* holds none"):
        import_file(tmp_path / "rows.jsonl", output_dir=tmp_path / "rows", overrides=[asked])


def test_a_dry_run_and_a_validation_show_it(tmp_path: Path) -> None:
    world = with_background(tmp_path)
    found = command("run", world.config, "--dry-run", "--json").json()["tasks"][-1]
    assert (found["name"], found["population"], found["samples"]) == ("street", "background", 30)
    assert command("validate", world.config, "--json").json()["splits"]["street"] == 30


def test_a_row_of_it_that_cant_be_read_is_a_reject(tmp_path: Path) -> None:
    world = with_background(tmp_path / "world", {"train": [*STREET, {"other": "column"}]})
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert run.status == "partial"
    assert [check["task"] for check in run.checks() if check["code"] == "rejected_rows"] == ["street"]
