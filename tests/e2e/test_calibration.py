"""Calibration rows in runs: read, captured, judged and scored beside the measured ones, and never measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.calibrators import calibrators
from llmood.config_file import load_config
from llmood.halves import halves
from llmood.identity import digest
from llmood.planning import make_plan
from llmood.questions.calibration_severity import METRICS
from llmood.questions.errors import QUESTION as ERRORS
from llmood.questions.ood_detection import QUESTION as DETECTION
from llmood.tables import SAMPLES, read_table
from tests import worlds
from tests.task_files import write_jsonl
from tests.worlds import World, llmood, no_model_runs, refused, tree, write_world

pytestmark = pytest.mark.usefixtures("no_report")

ANSWERS = ["yes", "no", "nobody knows", ""]
SCORERS = ["likelihood_ratio", "likelihood.response_given_prompt.mean", "gzip_knn"]


def rows(kind: str, count: int) -> list[dict[str, Any]]:
    """Every second row has a reference that the fake engine gives now and then; groups of two."""
    return [
        {
            "text": f"{kind} card {place} for travel",
            "answers": [ANSWERS[place % 3], "seven"] if place % 5 else ["no answer of this kind"],
            "group": f"{kind} {place // 2}",
        }
        for place in range(count)
    ]


def make_world(folder: Path) -> World:
    bank = {"train": rows("old", 30), "calibration": rows("kept", 90), "test": rows("bank", 60)}
    return write_world(
        folder,
        bank=bank,
        near=rows("near", 50),
        far=rows("far", 40),
        task={"fields": {"references": "answers", "group": "group"}},
        scorers=SCORERS,
        correctness="task",
        calibration=True,
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "world")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> package.Run:
    """A run of the world. All tests read this one: who changes a run takes `own`."""
    folder = tmp_path_factory.mktemp("calibration")
    with pytest.MonkeyPatch.context() as patch:
        worlds.no_report(patch)
        return run(make_world(folder / "world"), folder / "run")


@pytest.fixture
def own(made: package.Run, tmp_path: Path) -> package.Run:
    """A copy of `made` for this test alone."""
    return package.Run(shutil.copytree(made.folder, tmp_path / "own"))


def run(world: World, folder: Path, *options: object) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code == 0, outcome
    return package.Run(folder)


def of(made: package.Run, *questions: str) -> list[dict[str, Any]]:
    return [record for record in made.records() if record["question"] in questions]


def test_calibration_rows_are_scored_and_measured_by_nothing(
    world: World, made: package.Run, tmp_path: Path
) -> None:
    samples = made.samples().set_index("sample_id")
    own = samples[samples["split"] == "calibration"]
    found = made.calibration_scores()
    assert list(found.columns) == list(made.scores().columns)
    assert len(own) == 90
    for scorer in SCORERS:
        assert list(found[found["scorer"] == scorer]["sample_id"]) == list(own.index)
    assert set(found["status"]) == {"ok", "unscored"}  # an empty answer has no likelihood
    assert set(own.index).isdisjoint(made.scores()["sample_id"])
    judged = made.correctness().set_index("sample_id")
    assert set(own.index) <= set(judged.index)
    plain = run(world.edit(calibration=False), tmp_path / "plain")
    assert of(made, DETECTION, ERRORS) == of(plain, DETECTION, ERRORS)
    assert made.scores().equals(plain.scores())
    assert not (plain.folder / "calibration.parquet").exists()
    assert plain.calibration_scores().empty
    assert "calibration" not in set(plain.samples()["split"])


def test_a_calibration_row_scores_as_the_same_words_would_when_measured(
    world: World, made: package.Run, tmp_path: Path
) -> None:
    found = made.calibration_scores()
    # The two splits change places: none may hold the other's texts.
    write_jsonl(world.folder / "bank" / "test.jsonl", rows("kept", 90))
    write_jsonl(world.folder / "bank" / "calibration.jsonl", rows("bank", 60))
    measured = run(world.edit(calibration=False), tmp_path / "measured").scores()
    task = made_of(measured, tmp_path / "measured")
    for scorer in SCORERS:
        own = found[found["scorer"] == scorer]["score"].tolist()
        assert own == pytest.approx(task[scorer], nan_ok=True)


def made_of(scores: Any, folder: Path) -> dict[str, list[float]]:
    samples = package.Run(folder).samples()
    ids = samples[(samples["task"] == "bank") & (samples["split"] == "test")]["sample_id"].tolist()
    return {
        scorer: scores[scores["scorer"] == scorer].set_index("sample_id").loc[ids, "score"].tolist()
        for scorer in SCORERS
    }


def test_scored_again_it_is_the_same_and_no_model_is_asked(
    own: package.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: tree(own.folder)[name] for name in ("calibration.parquet", "metrics.json")}
    no_model_runs(monkeypatch)
    assert llmood("rescore", own.folder).code == 0
    assert {name: tree(own.folder)[name] for name in before} == before
    outcome = llmood("rescore", own.folder, "--set", "scorers=[likelihood_ratio]")
    assert outcome.code == 0, outcome
    assert set(own.calibration_scores()["scorer"]) >= {"likelihood_ratio"}
    assert not set(own.calibration_scores()["scorer"]) & set(SCORERS[1:])
    assert llmood("rescore", own.folder, "--set", "calibration=false").code == 0
    assert not (own.folder / "calibration.parquet").exists()
    # What it read is still there.
    assert llmood("rescore", own.folder, "--set", "scorers=null", "--set", "calibration=true").code == 2
    assert llmood("rescore", own.folder, "--set", "calibration=true").code == 0
    assert (own.folder / "calibration.parquet").exists()


def test_a_run_without_such_rows_says_how_to_have_them(world: World, tmp_path: Path) -> None:
    made = run(world.edit(calibration=None), tmp_path / "run")
    before = tree(made.folder)
    refused(
        llmood("rescore", made.folder, "--set", "calibration=true"),
        f"calibration: {made.folder} holds no 'calibration' rows of the ID task",
        "'llmood run' with 'calibration' in the configuration reads them",
    )
    assert tree(made.folder) == before


def test_shards_merge_to_the_run_that_was_never_cut(
    world: World, made: package.Run, tmp_path: Path, fresh_cache: Path
) -> None:
    for index in range(3):
        outcome = llmood("run", world.config, "-o", tmp_path / "cut", "--shard", f"{index}/3")
        assert outcome.code == 0, outcome
    assert llmood("merge", tmp_path / "cut").code == 0
    ours, theirs = tree(tmp_path / "cut"), tree(made.folder)
    for name in ("calibration.parquet", "scores.parquet", "metrics.json", "correctness.parquet"):
        assert ours[name] == theirs[name], name


def test_without_text_the_halves_and_all_numbers_stay(world: World, tmp_path: Path) -> None:
    world.edit(scorers=SCORERS[:2])
    shown, hidden = run(world, tmp_path / "shown"), run(world, tmp_path / "hidden", "--no-text")
    tables = [read_table(made.folder / "samples.parquet", SAMPLES) for made in (shown, hidden)]
    assert halves(tables[0]) == halves(tables[1])
    assert len(set(halves(tables[0]))) == 2
    assert tree(shown.folder)["calibration.parquet"] == tree(hidden.folder)["calibration.parquet"]
    assert tree(shown.folder)["metrics.json"] == tree(hidden.folder)["metrics.json"]
    assert llmood("rescore", hidden.folder).code == 0
    assert tree(shown.folder)["metrics.json"] == tree(hidden.folder)["metrics.json"]


def test_slices_are_by_domain_and_without_text_by_its_hash(tmp_path: Path) -> None:
    def of_two(kind: str, count: int) -> list[dict[str, Any]]:
        return [{**row, "domain": f"xq{place // 2 % 2}"} for place, row in enumerate(rows(kind, count))]

    world = write_world(
        tmp_path / "world",
        bank={"calibration": of_two("kept", 90), "test": of_two("bank", 60)},
        near=of_two("near", 50),
        far=[{**row, "domain": "xq0"} for row in rows("far", 40)],
        task={"fields": {"references": "answers", "group": "group", "domain": "domain"}},
        scorers=SCORERS[1:2],
        correctness="task",
        calibration=True,
    )
    shown, hidden = run(world, tmp_path / "shown"), run(world, tmp_path / "hidden", "--no-text")
    found = [
        {
            (r["slice"], r["metric"], r["calibrator"], r["ood_task"]): r["value"]
            for r in of(made, "calibration")
        }
        for made in (shown, hidden)
    ]
    names = {"domain:xq0", "domain:xq1"}
    assert {key[0] for key in found[0]} == {None, *names}
    hashes = {f"domain:{digest(name.partition(':')[2])}": name for name in names}
    assert {(hashes.get(key[0], key[0]), *key[1:]): value for key, value in found[1].items()} == found[0]
    assert b"xq" not in (hidden.folder / "metrics.json").read_bytes()
    before = tree(hidden.folder)["metrics.json"]
    gate = f"brier[calibrator=platt,population=id,slice={next(iter(hashes))}] <= 1"
    assert llmood("rescore", hidden.folder, "--gate", gate).code == 0
    assert tree(hidden.folder)["metrics.json"] == before


def test_groups_are_in_one_half(made: package.Run) -> None:
    table = read_table(made.folder / "samples.parquet", SAMPLES)
    known: dict[str, str] = {}
    for group, half in zip(table["group"].to_pylist(), halves(table), strict=True):
        assert known.setdefault(group, half) == half


def test_a_run_that_broke_off_goes_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("llmood.run.conclude", broken)
        assert llmood("run", world.config, "-o", tmp_path / "run").code == 130
    no_model_runs(monkeypatch)
    made = run(world, tmp_path / "run")
    assert len(made.calibration_scores()) == 90 * made.calibration_scores()["scorer"].nunique()


def test_dry_run_and_validate_count_it(world: World, fresh_cache: Path) -> None:
    plain = llmood("run", world.config, "--dry-run", "--json", "--set", "calibration=null").json()
    found = llmood("run", world.config, "--dry-run", "--json").json()
    assert [task["calibration"] for task in found["tasks"]] == [90, 0, 0]
    costs = [{each["capture"]: each["requests"] for each in one["captures"]} for one in (plain, found)]
    more = {capture: count - costs[0][capture] for capture, count in costs[1].items()}
    assert set(more.values()) == {90}
    said = llmood("run", world.config, "--dry-run").out
    assert "calibration: 90 further samples of bank are scored" in said
    checked = llmood("validate", world.config, "--json").json()
    assert checked["tasks"][0]["splits"]["calibration"]["samples"] == 90
    assert checked["tasks"][0]["tokens"]["calibration"]


def test_it_is_carved_where_the_data_lack_it(tmp_path: Path) -> None:
    bank = {"train": rows("old", 200), "test": rows("bank", 20)}
    world = write_world(tmp_path / "world", bank=bank, calibration=True)
    made = run(world, tmp_path / "run")
    splits = made.samples()["split"].value_counts()
    assert set(splits.index) == {"test", "calibration"}  # nothing learns: train isn't read
    assert 5 <= splits["calibration"] <= 40
    assert json.loads((made.folder / "run.json").read_text())["tasks"][0]["carved"] == {
        "calibration": "train"
    }


def test_nothing_to_carve_it_from(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", calibration=True)
    refused(
        llmood("run", world.config, "-o", tmp_path / "run"),
        "bank: has no split 'calibration', and no 'train' to carve it from",
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"calibrators": ["plat"]},
            "calibration.calibrators[0]: no calibrator 'plat' (did you mean 'platt'?)",
        ),
        ({"calibrators": []}, "calibration.calibrators: at least one is needed"),
        ({"calibrators": ["platt", "platt"]}, "calibration.calibrators: 'platt' stands there twice"),
        ({"false_alarm": 0.1}, "calibration.false_alarm: unknown key (did you mean 'false_alarms'?)"),
        ({"false_alarms": 0}, "calibration.false_alarms: input should be greater than 0, not 0"),
        ({"delta": 1}, "calibration.delta: input should be less than 1, not 1"),
    ],
)
def test_mistakes_are_said_before_anything_runs(
    world: World, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    refused(llmood("run", world.edit(calibration=given).config, "-o", tmp_path / "run"), said)
    assert not (tmp_path / "run").exists()


def test_a_plan_that_measures_nothing_reads_calibration_alone(world: World) -> None:
    config, folder, _ = load_config(str(world.edit(calibration=None).config), [])
    plan = make_plan(config, folder=folder, measured=False)
    splits = plan.samples["split"].to_pylist()
    assert set(splits) == {"train", "calibration"}  # one of the scorers learns from train
    assert splits.count("calibration") == 90
    assert "test" not in set().union(*plan.splits.values())
    assert [task.name for task in plan.tasks] == ["bank"]


def test_logged_rows_are_calibrated_by(tmp_path: Path) -> None:
    log = [
        {
            "prompt": f"{split} {place}",
            "split": split,
            "scores": {"mine": place % 7},
            "correct": place % 3 > 0,
        }
        for split in ("calibration", "test")
        for place in range(40)
    ]
    write_jsonl(tmp_path / "log.jsonl", log)
    outcome = llmood("import", tmp_path / "log.jsonl", "-o", tmp_path / "run", "--set", "calibration=true")
    assert outcome.code == 0, outcome
    found = pq.read_table(tmp_path / "run" / "calibration.parquet")
    assert found.num_rows >= 40
    write_jsonl(tmp_path / "less.jsonl", log[40:])
    refused(
        llmood("import", tmp_path / "less.jsonl", "-o", tmp_path / "less", "--set", "calibration=true"),
        "calibration: less holds no 'calibration' rows of the ID task",
        "import rows of the ID task whose 'split' is 'calibration'",
    )


def test_gates_look_at_confidences_and_at_promises(own: package.Run) -> None:
    scorer = "likelihood.response_given_prompt.mean"
    (brier,) = (
        record["value"]
        for record in of(own, "calibration")
        if (record["scorer"], record["metric"], record["calibrator"]) == (scorer, "brier", "platt")
        and record["population"] == "id"
    )
    inside = f"scorer={scorer},calibrator=platt,population=id"
    expected = {
        f"brier[{inside}] <= {brier}": True,
        f"brier[{inside}] < {brier}": False,
        f"brier[question=calibration,{inside}] <= {brier}": True,
        "false_alarm_rate[question=promise,scorer=likelihood_ratio] <= 1": True,
        "flag_rate[question=promise,scorer=likelihood_ratio,shift=far] < 0": False,
    }
    for gates, code in ([gate for gate, held in expected.items() if held], 0), (list(expected), 3):
        options = [word for gate in gates for word in ("--gate", gate)]
        outcome = llmood("rescore", own.folder, *options, "--json")
        assert outcome.code == code, outcome
        found = {each["gate"]: each["held"] for each in outcome.json()["gates"]}
        assert found == {gate: expected[gate] for gate in gates}
    refused(
        llmood("rescore", own.folder, "--gate", "brier[calibrator=plat] <= 1"),
        "no calibrator 'plat' (did you mean 'platt'?)",
    )
    refused(
        llmood("rescore", own.folder, "--gate", "false_alarm_rat[question=promise] <= 1"),
        "did you mean 'false_alarm_rate'",
    )


def test_the_fitted_calibrators_are_kept(own: package.Run) -> None:
    kept = json.loads((own.folder / "calibrators.json").read_text())
    assert {(each["scorer"], each["calibrator"]) for each in kept} == {
        (scorer, calibrator) for scorer in SCORERS for calibrator in ("platt", "isotonic")
    }
    (platt,) = (each for each in kept if (each["scorer"], each["calibrator"]) == ("gzip_knn", "platt"))
    calibrator = calibrators.get("platt").from_state(platt["state"])
    scores = own.scores()
    judged = own.correctness().set_index("sample_id")["correct"]
    samples = own.samples().set_index("sample_id")
    rows = scores[
        (scores["scorer"] == "gzip_knn") & (samples.loc[scores["sample_id"], "task"] == "bank").values
    ]
    right = judged.loc[rows["sample_id"]].to_numpy(dtype=float)
    found = ((calibrator.confidence(rows["score"].to_numpy()) - right) ** 2).mean()
    (record,) = (
        record
        for record in of(own, "calibration")
        if (record["scorer"], record["metric"], record["calibrator"], record["population"])
        == ("gzip_knn", "brier", "platt", "id")
    )
    assert record["value"] == pytest.approx(found)
    assert llmood("rescore", own.folder, "--set", "calibration=false").code == 0
    assert not (own.folder / "calibrators.json").exists()
    assert of(own, "calibration", "promise") == []


def test_without_judged_answers_only_false_alarms_are_promised(world: World, tmp_path: Path) -> None:
    made = run(world.edit(correctness="none", calibration={"wrong_answered": 0.1}), tmp_path / "run")
    assert of(made, "calibration") == []
    found = of(made, "promise")
    assert {record["metric"] for record in found} == {
        *("false_alarm_rate", "flag_rate", "false_alarm_rate_pac", "flag_rate_pac")
    }
    assert {record["scorer"] for record in found} == set(SCORERS)


def test_another_seed_or_order_of_lines_leaves_the_halves(
    world: World, made: package.Run, tmp_path: Path
) -> None:
    write_jsonl(world.folder / "bank" / "calibration.jsonl", rows("kept", 90)[::-1])
    other = run(world, tmp_path / "other", "--seed", 5)
    found = [
        {
            (record["scorer"], record["metric"], record["ood_task"]): record["params"]["threshold"]
            for record in of(each, "promise")
        }
        for each in (made, other)
    ]
    assert found[0] == found[1]


def test_rows_that_are_drawn_otherwise_break_the_promise_and_a_check_says_so(
    world: World, made: package.Run, tmp_path: Path
) -> None:
    def missed(made: package.Run) -> list[dict[str, Any]]:
        return [check for check in made.checks() if check["code"] == "promise_missed"]

    assert missed(made) == []
    write_jsonl(
        world.folder / "bank" / "test.jsonl", [{**row, "text": f"xq {row['text']} zz"} for row in LONG]
    )
    (found,) = (
        each for each in missed(run(world, tmp_path / "other")) if "likelihood_ratio" in each["detail"]
    )
    assert found["severity"] == "warning"
    assert found["values"]["rate"] > found["values"]["expected_high"]


LONG = rows("nothing of the kind that stands there, and longer by far", 60)


def test_a_shift_that_comes_in_grades_has_records_of_confidence(world: World, tmp_path: Path) -> None:
    ood = [{"corruption": "typos"}]
    made = run(
        world.edit(benchmark={"name": "graded", "id": "bank/t.yaml", "ood": ood}, scorers=SCORERS[1:2]),
        tmp_path / "run",
    )
    found = {
        (r["metric"], r["calibrator"]): r for r in of(made, "calibration") if r["ood_task"] == "bank.typos"
    }
    assert set(found) == {
        (name, calibrator)
        for name in METRICS
        for calibrator in (("platt", "isotonic") if name != "spearman_severity_accuracy" else (None,))
    }
    brier = found["spearman_severity_brier", "platt"]
    assert brier["params"]["grades"] == [0, 1, 2, 3, 4, 5]
    # What is found at a grade is what its own record says.
    own = {
        r["severity"] or 0: r["value"]
        for r in of(made, "calibration")
        if (r["metric"], r["calibrator"]) == ("brier", "platt")
    }
    assert brier["params"]["values"] == pytest.approx([own[grade] for grade in range(6)])
    outcome = llmood("rescore", made.folder, "--gate", "raulc[calibrator=platt,ood_task=bank.typos] >= -9")
    assert outcome.code == 0, outcome
