"""What a run leaves on disk, name by name and column by column, and what a second look at it may change."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import llmood as package
from tests.worlds import BANK, LETTERS, WEATHER, World, llmood, no_model_runs, refused, tree, write_world

pytestmark = pytest.mark.usefixtures("fresh_cache", "no_report")

# The contract of DESIGN.md, in its order; columns may be added, none renamed or moved before another.
SAMPLES = (
    "sample_id task population split shift severity domain label group parent_id language "
    "messages prompt references choices images meta source_line"
).split()
SCORES = "sample_id scorer score status reason fitted_on".split()
METRICS = (
    "schema benchmark question scorer calibrator correctness population id_task ood_task shift severity slice split "
    "metric params value reason ci_low ci_high ci_level ci_method n n_negative n_positive n_unscored positive_class "
    "higher_is_better"
).split()
METRIC_IDS = (
    "auroc aupr_ood aupr_id fpr_at_95tpr_ood fpr_at_95tpr_id precision_at_1pct precision_at_5pct"
).split()
SCORERS = ["likelihood_ratio", "likelihood", "likelihood.response", "length", "random", "constant"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return write_world(tmp_path / "world", scorers=SCORERS[:3])


@pytest.fixture
def run(world: World, tmp_path: Path) -> package.Run:
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    return package.Run(tmp_path / "run")


def strict_json(path: Path) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{path} holds {constant}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def in_order(expected: list[str], found: list[str]) -> bool:
    return [name for name in found if name in expected] == expected


def test_the_files(run: package.Run) -> None:
    names = {name for name in tree(run.folder) if not name.startswith(".")}
    assert names == {
        "run.json",
        "samples.parquet",
        "observations/index.parquet",
        "observations/pieces.json",
        "scores.parquet",
        "explanations.json",
        "metrics.json",
        "checks.json",
        "report.html",
        "rejects.jsonl",
    }


def test_run_json(run: package.Run, world: World) -> None:
    manifest = strict_json(run.folder / "run.json")
    assert manifest["schema_version"] == 1
    assert manifest["status"] == run.status == "complete"
    assert manifest["seed"] == 0
    assert manifest["config"]["bootstrap"]["draws"] > 0  # resolved: defaults stand there too
    assert manifest["config"]["scorers"] == SCORERS[:3]
    assert {"python", "llmood", "numpy", "pyarrow"} <= set(manifest["versions"])
    assert manifest["hardware"]["cores"] >= 1
    assert manifest["command"]
    assert set(manifest["models"]) == {"base", "tuned"}
    assert all(model["identity"] and model["tokenizer"] for model in manifest["models"].values())
    assert [task["name"] for task in manifest["tasks"]] == ["bank", "near", "far"]
    assert manifest["tasks"][1]["source"]["files"]["test"]["digest"]


def test_samples(run: package.Run) -> None:
    schema = pq.read_schema(run.folder / "samples.parquet")
    assert in_order(SAMPLES, schema.names)
    frame = run.samples()
    assert len(frame) == len(BANK) + len(WEATHER) + len(LETTERS)
    assert frame["sample_id"].is_unique
    assert frame.groupby("task")["population"].unique().map(list).to_dict() == {
        "bank": ["id"],
        "near": ["ood"],
        "far": ["ood"],
    }
    assert frame.groupby("task")["shift"].unique().map(list).to_dict() == {
        "bank": ["none"],
        "near": ["near"],
        "far": ["far"],
    }
    assert set(frame["split"]) == {"test"}
    assert sorted(frame["prompt"]) == sorted(row["text"] for row in (*BANK, *WEATHER, *LETTERS))
    message = json.loads(frame["messages"][0])
    assert message == [{"role": "user", "content": [{"type": "text", "text": frame["prompt"][0]}]}]


def test_scores(run: package.Run) -> None:
    assert in_order(SCORES, pq.read_schema(run.folder / "scores.parquet").names)
    frame = run.scores()
    samples = run.samples()["sample_id"]
    assert list(frame["scorer"].unique()) == SCORERS
    assert len(frame) == len(SCORERS) * len(samples)
    for _, rows in frame.groupby("scorer"):
        assert list(rows["sample_id"]) == list(samples)
    scored = frame["status"] == "ok"
    assert np.isfinite(frame["score"][scored]).all()
    assert frame["reason"][scored].isna().all()
    assert set(frame["status"]) == {"ok", "unscored"}  # the fake model leaves some answers empty
    assert frame["score"][~scored].isna().all()
    assert set(frame["reason"][~scored]) == {"empty answer"}
    # In the file a missing score is null: no reader can rank it.
    stored = pq.read_table(run.folder / "scores.parquet")["score"]
    assert stored.null_count == (~scored).sum()
    assert not any(value is not None and math.isnan(value) for value in stored.to_pylist())


def test_index(run: package.Run) -> None:
    table = pq.read_table(run.folder / "observations" / "index.parquet")
    assert {"sample_id", "capture", "key", "shard", "row"} <= set(table.column_names)
    pairs = list(zip(table["sample_id"].to_pylist(), table["capture"].to_pylist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert {capture for _, capture in pairs} == set(run.manifest["captures"])


def test_metrics(run: package.Run) -> None:
    records = strict_json(run.folder / "metrics.json")
    assert records == run.records()
    assert list(run.metrics().columns) == list(records[0])
    for record in records:
        assert in_order(METRICS, list(record))
        assert record["schema"] == 1
        assert record["benchmark"] == "small"
        assert record["split"] == "test"
        of_slice = (record["question"], record["metric"]) == ("familiarity", "auroc_in_slice")
        assert record["slice"] in (("familiar", "middle", "unfamiliar") if of_slice else (None,))
        assert (record["value"] is None) <= bool(record["reason"])
    detection = [r for r in records if r["question"] == "ood_detection" and r["metric"] in METRIC_IDS]
    keys = [(r["scorer"], r["ood_task"], r["metric"]) for r in detection]
    assert len(set(keys)) == len(keys) == len(SCORERS) * 2 * len(METRIC_IDS)
    for record in detection:
        assert record["n"] == record["n_negative"] + record["n_positive"]
        total = len(BANK) + len(WEATHER if record["ood_task"] == "near" else LETTERS)
        assert record["n"] + record["n_unscored"] == total
        assert record["shift"] == record["ood_task"]
        assert record["id_task"] == "bank"
        assert record["positive_class"] in ("ood", "id")
        assert isinstance(record["higher_is_better"], bool)
        assert record["calibrator"] is record["correctness"] is None
    unscored = {r["scorer"]: r["n_unscored"] for r in detection}
    assert unscored["likelihood.response"] > 0
    assert unscored["likelihood"] == 0
    headline = [r for r in detection if r["metric"] == "auroc" and r["scorer"] == "constant"]
    assert [r["value"] for r in headline] == [0.5, 0.5]


def test_checks(run: package.Run) -> None:
    checks = strict_json(run.folder / "checks.json")
    assert checks == run.checks()
    assert {"too_few_samples", "unscored"} <= {check["code"] for check in checks}
    assert {check["severity"] for check in checks} <= {"info", "warning", "error"}


def test_a_second_run_changes_nothing_and_runs_no_model(
    run: package.Run, world: World, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    before, store = tree(run.folder), tree(fresh_cache / "observations")
    no_model_runs(monkeypatch)
    assert llmood("run", world.config, "-o", run.folder).code == 0
    after = tree(run.folder)
    assert {name for name in before if before[name] != after[name]} <= {"run.json"}
    assert set(after) == set(before)
    assert tree(fresh_cache / "observations") == store


def test_a_fresh_store_gives_the_same_files(
    run: package.Run, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "another"))
    assert llmood("run", world.config, "-o", tmp_path / "again").code == 0
    before, after = tree(run.folder), tree(tmp_path / "again")
    assert {name for name in before if before[name] != after[name]} <= {"run.json"}
    assert set(after) == set(before)


def test_another_configuration_is_refused_and_changes_nothing(run: package.Run, world: World) -> None:
    before = tree(run.folder)
    for options in (("--seed", 1), ("--limit", 5), ("--no-text",), ("--set", "bootstrap.draws=200")):
        refused(llmood("run", world.config, "-o", run.folder, *options), "another configuration", "-o")
    assert tree(run.folder) == before


def test_rescore_gives_the_same_numbers_without_a_model(
    run: package.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(run.folder)
    no_model_runs(monkeypatch)
    (run.folder / "scores.parquet").unlink()
    (run.folder / "metrics.json").unlink()
    assert llmood("rescore", run.folder).code == 0
    after = tree(run.folder)
    assert {name for name in before if before[name] != after[name]} <= {"run.json"}
    assert package.Run(run.folder).status == "complete"


def test_rescore_with_other_scorers(run: package.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)
    old = run.scores().set_index(["scorer", "sample_id"])["score"]
    outcome = llmood("rescore", run.folder, "--set", "scorers=[likelihood.base.mean, likelihood]", "--json")
    assert outcome.code == 0
    assert {record["scorer"] for record in outcome.json()["metrics"]} >= {"likelihood.base.mean"}
    new = run.scores().set_index(["scorer", "sample_id"])["score"]
    assert list(new.index.unique("scorer")) == ["likelihood.base.mean", "likelihood", *SCORERS[3:]]
    assert (new["likelihood"] == old["likelihood"]).all()
    # And the first command brings the first scores back.
    assert run.manifest["config"]["scorers"] == SCORERS[:3]


def test_rescore_cannot_score_what_was_not_captured(run: package.Run) -> None:
    before = tree(run.folder)
    outcome = llmood("rescore", run.folder, "--set", "scorers=[likelihood.prompt_response]")
    refused(outcome, "likelihood.prompt_response needs prompt_logprobs/tuned/prompt_response", "'llmood run'")
    assert tree(run.folder) == before


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("limit=3", "limit"),
        ("text=false", "text"),
        ("models.base=other", "models"),
        ("benchmark=clinc150", "benchmark"),
        ("response.max_new_tokens=3", "response"),
    ],
)
def test_rescore_cannot_change_what_was_run(run: package.Run, override: str, key: str) -> None:
    before = tree(run.folder)
    refused(llmood("rescore", run.folder, "--set", override), f"--set {key}: scoring again can change only")
    assert tree(run.folder) == before


def test_rescore_of_a_pruned_store(run: package.Run, world: World) -> None:
    assert llmood("cache", "prune", "--all").code == 0
    outcome = llmood("rescore", run.folder)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert "missing from the store" in outcome.err
    assert "'llmood run' with the same configuration" in outcome.err
    # The remedy works.
    assert llmood("run", world.config, "-o", run.folder).code == 0
    assert llmood("rescore", run.folder).code == 0


def test_rescore_of_a_run_that_never_got_far(run: package.Run) -> None:
    (run.folder / "observations" / "index.parquet").unlink()
    refused(llmood("rescore", run.folder), "index.parquet: is not there yet", "'llmood run'")
    (run.folder / "metrics.json").unlink()
    refused(llmood("report", run.folder), "metrics.json: is not there yet")


def test_the_python_api_takes_a_mapping_a_path_and_a_parsed_configuration(
    world: World, tmp_path: Path
) -> None:
    from llmood.config_file import load_config

    by_path = package.evaluate(world.config, output_dir=tmp_path / "path")
    by_text = package.evaluate(str(world.config), output_dir=tmp_path / "text")
    by_mapping = package.evaluate(world.settings(), output_dir=tmp_path / "mapping")
    parsed, _, _ = load_config(world.settings())
    by_config = package.evaluate(parsed, output_dir=tmp_path / "config")
    scores = tree(by_path.folder)["scores.parquet"]
    for run in (by_text, by_mapping, by_config):
        assert run.status == "complete"
        assert tree(run.folder)["scores.parquet"] == scores
    limited = package.evaluate(parsed, output_dir=tmp_path / "limited", overrides=["limit=4"])
    assert len(limited.samples()) == 12


def test_the_python_api_raises_for_a_mistake(world: World, tmp_path: Path) -> None:
    from llmood.errors import ConfigError

    with pytest.raises(ConfigError, match="foo: unknown key"):
        package.evaluate({**world.settings(), "foo": 1}, output_dir=tmp_path / "run")
    with pytest.raises(ConfigError, match="no configuration file"):
        package.evaluate("nowhere", output_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_built_in_benchmark_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark's name and tasks of `--include-path`, as the built-in ones are found."""
    world = write_world(tmp_path / "mine")
    spec = yaml.safe_load(world.config.read_text())["benchmark"]
    spec |= {"name": "ours", "id": "bank", "ood": [{"task": "near", "shift": "near"}]}
    (world.folder / "ours.yaml").write_text(yaml.safe_dump(spec))
    world.edit(benchmark="ours")
    outcome = llmood("run", world.config, "--include-path", world.folder, "-o", tmp_path / "run", "--json")
    assert outcome.code == 0
    assert {record["ood_task"] for record in outcome.json()["metrics"]} == {"near", None}


def test_the_default_folder_is_named_after_the_configuration(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = llmood("run", world.config, "--json").json()["run"]
    assert first == llmood("run", world.config, "--json").json()["run"]
    other = llmood("run", world.config, "--json", "--seed", "1").json()["run"]
    for folder in (first, other):
        parent, name = folder.split("/")
        assert parent == "runs"
        assert name.startswith("small-")
        assert len(name) == len("small-") + 8
    assert first != other


def test_a_benchmark_named_by_its_path_cannot_lead_out_of_the_working_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = world.settings()
    (tmp_path / "outside.yaml").write_text(yaml.safe_dump(settings["benchmark"]))
    deep = tmp_path / "deep" / "deeper"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    run = package.evaluate({**settings, "benchmark": "../../outside.yaml", "limit": 3})
    assert run.folder.resolve().parent == deep / "runs"
    assert run.folder.name.startswith("outside-")


def test_limit_is_drawn_by_hash_and_nests(world: World, tmp_path: Path) -> None:
    ids = {}
    for limit in (5, 10):
        folder = tmp_path / str(limit)
        assert llmood("run", world.config, "-o", folder, "--limit", limit).code == 0
        ids[limit] = package.Run(folder).samples().groupby("task")["sample_id"].agg(set).to_dict()
        assert {len(names) for names in ids[limit].values()} == {limit}
    assert all(ids[5][task] < ids[10][task] for task in ("bank", "near", "far"))
    # Not simply the first rows of the file.
    first = package.Run(tmp_path / "10").samples()
    lines = [int(line.rpartition(":")[2]) for line in first[first["task"] == "bank"]["source_line"]]
    assert lines != list(range(1, 11))


def test_the_seed_changes_the_draw_the_intervals_and_the_random_scorer(world: World, tmp_path: Path) -> None:
    runs = {}
    for name, options in {
        "a": (),
        "b": ("--seed", 1),
        "c": ("--seed", 1, "--limit", 8),
        "d": ("--limit", 8),
    }.items():
        assert llmood("run", world.config, "-o", tmp_path / name, *options).code == 0
        runs[name] = package.Run(tmp_path / name)
    assert set(runs["c"].samples()["sample_id"]) != set(runs["d"].samples()["sample_id"])
    scores = {name: run.scores().set_index(["scorer", "sample_id"])["score"] for name, run in runs.items()}
    assert (scores["a"]["likelihood"] == scores["b"]["likelihood"]).all()
    assert (scores["a"]["random"] != scores["b"]["random"]).all()
    intervals = {
        name: [(r["ci_low"], r["ci_high"]) for r in run.records() if r["scorer"] == "likelihood_ratio"]
        for name, run in runs.items()
    }
    assert intervals["a"] != intervals["b"]


def test_an_empty_ood_list_detects_nothing_and_says_so(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", near=None, far=None)
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 0
    assert "no OOD task" in outcome.out
    records = package.Run(tmp_path / "run").records()
    assert not [record for record in records if record["question"] == "ood_detection"]
    gate = llmood("run", world.config, "-o", tmp_path / "run", "--gate", "auroc >= 0")
    assert gate.code == 3
