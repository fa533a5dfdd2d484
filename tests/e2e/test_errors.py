"""Are answers right, and which scores tell? Through the command line, on the fake engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.engines.fake_model import LEXICON
from llmood.errors import ConfigError
from llmood.report import render_report
from tests.task_files import write_jsonl
from tests.worlds import World, llmood, no_model_runs, refused, tree, write_world

ANSWERS = ["yes", "no", "nobody knows", ""]
RESPONSE = "response/tuned/prompt?max_new_tokens=64"


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


@pytest.fixture
def world(tmp_path: Path, fresh_cache: Path, no_report: None) -> World:
    return write_world(
        tmp_path / "world",
        rows("bank", 60),
        rows("near", 50),
        rows("far", 40),
        task={"fields": {"references": "answers", "group": "group"}},
        correctness="task",
    )


def run(world: World, folder: Path, *options: str) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code == 0, outcome
    return package.Run(folder)


def errors(made: package.Run) -> list[dict[str, Any]]:
    return [record for record in made.records() if record["question"] == "error_detection"]


def judged(made: package.Run) -> list[dict[str, Any]]:
    return list(pq.read_table(made.folder / "correctness.parquet").to_pylist())


def one(records: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (found,) = [r for r in records if all(r[key] == value for key, value in wanted.items())]
    return found


def test_every_answer_is_judged_by_what_the_model_said(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run")
    samples = made.samples().set_index("sample_id")
    table = judged(made)
    assert list(made.correctness()["sample_id"]) == list(samples.index)
    assert [row["sample_id"] for row in table] == list(samples.index)
    llmood("cache", "export", made.folder, "-o", tmp_path / "export")
    texts = {
        row["sample_id"]: row["text"]
        for row in pq.read_table(next((tmp_path / "export").glob("response-tuned*"))).to_pylist()
    }
    assert set(texts.values()) <= set(LEXICON)
    for row in table:
        text, references = texts[row["sample_id"]], samples.loc[row["sample_id"], "references"]
        assert row["correct"] is (text in references)
        assert row["quality"] == float(row["correct"])
        assert (row["rule"], row["status"], row["draw"], row["finish"]) == ("exact_match", "ok", -1, "stop")
        assert row["reason"] == (None if text else "empty answer")
    keys = {row["sample_id"]: row["response"] for row in table}
    index = pq.read_table(made.folder / "observations" / "index.parquet").to_pylist()
    assert keys == {row["sample_id"]: row["key"] for row in index if row["capture"] == RESPONSE}


def test_each_population_has_records_of_its_own(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run")
    records, table = errors(made), judged(made)
    tasks = dict(zip(made.samples()["sample_id"], made.samples()["task"], strict=True))
    for task, shift, n in (("bank", "none", 60), ("near", "near", 50), ("far", "far", 40)):
        place = {"ood_task": None if task == "bank" else task, "slice": None}
        right = sum(row["correct"] for row in table if tasks[row["sample_id"]] == task)
        found = one(records, metric="accuracy", **place)
        assert found["value"] == right / n
        assert (found["n"], found["n_negative"], found["n_positive"]) == (n, right, n - right)
        assert found["params"] == {"not_judged": {}, "cut_off": 0}
        assert found["ci_low"] < found["value"] < found["ci_high"]
        for scorer in ("likelihood_ratio", "length", "random", "constant"):
            for metric in ("auroc", "prr", "aurc", "eaurc", "aupr_wrong", "accuracy_at_90pct_coverage"):
                own = one(records, metric=metric, scorer=scorer, **place)
                assert (own["correctness"], own["positive_class"]) == ("exact_match", "wrong")
                assert (own["shift"], own["population"]) == (shift, "id" if task == "bank" else "ood")
                assert own["n"] == n
                assert own["ci_low"] <= own["value"] <= own["ci_high"]
        assert one(records, metric="auroc", scorer="constant", **place)["value"] == 0.5
        assert one(records, metric="prr", scorer="constant", **place)["value"] == 0.0
    behind = [record for record in records if record["metric"] == "auroc_behind_best"]
    assert {record["scorer"] for record in behind} == {"likelihood_ratio", "likelihood"}
    assert sum(record["value"] == 0 and record["ci_low"] is None for record in behind) == 3


def test_what_is_lost_is_the_difference(world: World, tmp_path: Path) -> None:
    records = errors(run(world, tmp_path / "run"))
    for name in ("auroc", "prr", "accuracy"):
        scorer = None if name == "accuracy" else "likelihood"
        own = {
            task: one(records, metric=name, scorer=scorer, ood_task=task, slice=None)["value"]
            for task in (None, "near", "far")
        }
        for start, task, part in ((None, "near", None), (None, "far", None), ("near", "far", "from near")):
            lost = one(records, metric=f"{name}_loss", scorer=scorer, ood_task=task, slice=part)
            assert lost["value"] == pytest.approx(own[start] - own[task])
            assert lost["ci_low"] < lost["value"] < lost["ci_high"]
            assert lost["params"]["from"] == (start or "bank")
            assert lost["higher_is_better"] is False


def test_prompt_scorers_alone_decode_nothing_unless_asked(world: World, tmp_path: Path) -> None:
    made = run(world.edit(correctness=None), tmp_path / "run")
    assert not (made.folder / "correctness.parquet").exists()
    assert made.correctness().empty
    assert not errors(made)
    assert not [capture for capture in made.manifest["captures"] if capture.startswith("response")]


def test_answers_that_a_scorer_needs_are_judged(world: World, tmp_path: Path) -> None:
    world.edit(correctness=None, scorers=["likelihood.response", "likelihood_ratio"])
    records = errors(run(world, tmp_path / "run"))
    # An empty answer is wrong, and has no likelihood: it is counted.
    empty = one(records, metric="auroc", scorer="likelihood.response", ood_task=None)
    assert empty["n_unscored"] > 0
    assert empty["n"] + empty["n_unscored"] == 60
    assert one(records, metric="auroc", scorer="likelihood_ratio", ood_task=None)["n"] == 60
    assert not errors(run(world.edit(correctness="none"), tmp_path / "off"))


def test_a_rule_with_graded_quality(world: World, tmp_path: Path) -> None:
    world.edit(correctness={"f1": {"threshold": 0.9}}, bootstrap={"draws": 100})
    for place, task in enumerate(("bank", "near", "far")):
        more = [
            {**row, "answers": ["nobody was here", "small house", "seven men"]}
            for row in rows(task, 40 - place)
        ]
        write_jsonl(world.folder / task / "test.jsonl", more)
    made = run(world, tmp_path / "run")
    records = errors(made)
    assert {record["correctness"] for record in records} == {"f1(threshold=0.9)"}
    # "nobody knows": 2·1 / (2 + 3); "a small town": 2·1 / (2 + 2); "seven": 2·1 / (1 + 2)
    assert {round(row["quality"], 3) for row in judged(made)} == {0.0, 0.4, 0.5, 0.667}
    found = one(records, metric="auroc", scorer="likelihood", ood_task=None)
    assert found["value"] is None
    assert "every answer is wrong" in found["reason"]
    for metric in ("prr_quality", "spearman_quality"):
        own = one(records, metric=metric, scorer="likelihood", ood_task=None)
        assert own["ci_low"] <= own["value"] <= own["ci_high"]
    printed = llmood("run", world.config, "-o", made.folder).out
    assert "right by f1(threshold=0.9)" in printed
    assert "bank: undefined where every answer is wrong" in printed


def test_tasks_name_their_rules(world: World, tmp_path: Path) -> None:
    path = world.folder / "near" / "t.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "correctness: alias\n", encoding="utf-8")
    made = run(world, tmp_path / "run")
    tasks = dict(zip(made.samples()["sample_id"], made.samples()["task"], strict=True))
    assert {(tasks[row["sample_id"]], row["rule"]) for row in judged(made)} == {
        ("bank", "exact_match"),
        ("near", "alias"),
        ("far", "exact_match"),
    }
    assert one(errors(made), metric="accuracy", ood_task="near")["correctness"] == "alias"


def test_choices_are_judged_as_choices(world: World, tmp_path: Path) -> None:
    for task in ("bank", "near", "far"):
        path = world.folder / task / "t.yaml"
        path.write_text(
            path.read_text(encoding="utf-8").replace("fields:", "fields:\n  choices: choices"), "utf-8"
        )
        more = [{**row, "answers": "A", "choices": ["yes", "no"]} for row in rows(task, 40)]
        write_jsonl(world.folder / task / "test.jsonl", more)
    table = judged(run(world, tmp_path / "run"))
    assert {row["rule"] for row in table} == {"multiple_choice"}
    assert {row["reason"] for row in table} == {None, "empty answer", "names no choice"}


def test_a_sample_without_reference_is_counted(world: World, tmp_path: Path) -> None:
    more = [*rows("near", 20), *({"text": f"what is {place}"} for place in range(3))]
    write_jsonl(
        world.folder / "near" / "test.jsonl", [{"answers": None, "group": None, **row} for row in more]
    )
    write_jsonl(world.folder / "far" / "test.jsonl", [{**row, "answers": None} for row in rows("far", 20)])
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 0, outcome
    records = errors(package.Run(tmp_path / "run"))
    near = one(records, metric="accuracy", ood_task="near")
    assert (near["n"], near["n_unscored"]) == (20, 3)
    assert near["params"]["not_judged"] == {"no reference": 3}
    far = [record for record in records if record["ood_task"] == "far"]
    assert [(record["metric"], record["value"], record["reason"]) for record in far] == [
        ("accuracy", None, "no answer could be judged")
    ]
    assert "near: 3 answers could not be judged (3 no reference)" in outcome.out
    assert "far: 20 answers could not be judged (20 no reference)" in outcome.out


def test_cut_off_answers_are_judged_as_they_stand(world: World, tmp_path: Path) -> None:
    world.edit(response={"max_new_tokens": 3})
    made = run(world, tmp_path / "run")
    table = judged(made)
    assert {row["finish"] for row in table} == {"length", "stop"}
    cut_off = sum(row["finish"] == "length" for row in table)
    counts = [record["params"]["cut_off"] for record in errors(made) if record["metric"] == "accuracy"]
    assert sum(counts) == cut_off
    assert all(row["status"] == "ok" for row in table)


def test_people_s_labels_win_and_need_no_answer(world: World, tmp_path: Path) -> None:
    ids = list(run(world.edit(correctness=None), tmp_path / "first").samples()["sample_id"])
    given = [{"sample_id": name, "correct": place % 3 == 0} for place, name in enumerate(ids[:-2])]
    write_jsonl(world.folder / "labels.jsonl", given)
    made = run(world.edit(correctness={"labels": "labels.jsonl"}), tmp_path / "run")
    assert not [capture for capture in made.manifest["captures"] if capture.startswith("response")]
    table = judged(made)
    assert [row["correct"] for row in table] == [*(row["correct"] for row in given), None, None]
    assert [row["reason"] for row in table[-2:]] == ["no label", "no label"]
    assert {record["correctness"] for record in errors(made)} == {"labels"}
    assert one(errors(made), metric="accuracy", ood_task="far")["params"]["not_judged"] == {"no label": 2}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("sample_id,correct\nnobody,true\n", ["labels.csv", "the run has no sample nobody"]),
        ("sample_id,correct\nX,maybe\n", ["labels.csv:2", "'maybe', neither true nor false"]),
        ("sample_id,correct,quality\nX,1,7\n", ["labels.csv:2", "quality", "'7'"]),
        ("sample_id,right\nX,1\n", ["labels.csv:2", "no 'correct'"]),
        ("sample_id,correct\nX,1\nX,0\n", ["labels.csv:3", "has a label already"]),
        ("sample_id,correct\n", ["holds no label"]),
    ],
)
def test_labels_that_are_wrong_are_refused(
    world: World, tmp_path: Path, lines: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = run(world.edit(correctness=None), tmp_path / "first").samples()["sample_id"][0]
    (world.folder / "labels.csv").write_text(lines.replace("X", known), encoding="utf-8")
    no_model_runs(monkeypatch)
    world.edit(correctness={"labels": "labels.csv"})
    refused(llmood("run", world.config, "-o", tmp_path / "run"), "correctness.labels", *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("exact_mach", ["correctness: no rule 'exact_mach'", "exact_match"]),
        ({"f1": {"treshold": 0.5}}, ["f1 has no argument 'treshold'", "threshold"]),
        ({"f1": {"threshold": 2}}, ["f1: threshold lies above 0"]),
        ({"f1": {"threshold": True}}, ["correctness"]),
        ({"labels": "nowhere.csv"}, ["correctness.labels", "is not there"]),
        ({"labels": 3}, ["labels are a file"]),
        ("multiple_choice", ["no task of the benchmark has choices"]),
        (["f1"], ["a rule's name"]),
    ],
)
def test_a_choice_that_is_wrong_is_refused(
    world: World, tmp_path: Path, choice: Any, words: list[str]
) -> None:
    refused(llmood("run", world.edit(correctness=choice).config, "-o", tmp_path / "run"), *words)


def test_without_a_tuned_model_there_is_nobody_to_answer(world: World, tmp_path: Path) -> None:
    world.edit(models={"base": "fake"}, scorers=["likelihood.base"])
    refused(llmood("run", world.config, "-o", tmp_path / "run"), "correctness", "models.tuned is missing")


def test_gates(world: World, tmp_path: Path) -> None:
    held = "auroc[question=error_detection,scorer=constant] == 0.5"
    share = "accuracy[question=error_detection] >= 0.01"
    lost = "accuracy_loss[question=error_detection,shift=far] <= 1"
    missed = "prr[question=error_detection,scorer=constant,shift=none] >= 0.5"
    plain = "auroc[scorer=constant] == 0.5"
    options = [part for gate in (held, share, lost, missed, plain) for part in ("--gate", gate)]
    outcome = llmood("run", world.config, "-o", tmp_path / "run", *options)
    assert outcome.code == 3, outcome
    assert f"gate held: {held} (3 records)" in outcome.out
    assert f"gate held: {share} (3 records)" in outcome.out
    assert f"gate held: {lost} (1 record)" in outcome.out
    assert f"gate MISSED: {missed} (1 of 1 record misses it; constant on bank: 0.0000)" in outcome.out
    assert f"gate held: {plain} (2 records)" in outcome.out


def test_rescore_judges_by_another_rule_and_back(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(world, tmp_path / "run")
    before = tree(made.folder)
    no_model_runs(monkeypatch)
    assert llmood("rescore", made.folder, "--set", "correctness=alias").code == 0
    assert {row["rule"] for row in judged(made)} == {"alias"}
    assert {record["correctness"] for record in errors(made)} == {"alias"}
    assert llmood("rescore", made.folder, "--set", "correctness=none").code == 0
    assert not (made.folder / "correctness.parquet").exists()
    assert llmood("rescore", made.folder).code == 0
    after = tree(made.folder)
    assert {name for name in before if before[name] != after[name]} <= {"run.json"}


def test_rescore_says_what_it_lacks(world: World, tmp_path: Path) -> None:
    made = run(world.edit(correctness=None), tmp_path / "run")
    refused(llmood("rescore", made.folder, "--set", "correctness=task"), "captured no answers")
    private = run(world.edit(correctness="task"), tmp_path / "private", "--no-text")
    refused(llmood("rescore", private.folder, "--set", "correctness=alias"), "kept none (--no-text)")


def test_without_text_the_verdicts_are_the_same(world: World, tmp_path: Path) -> None:
    whole, private = run(world, tmp_path / "open"), run(world, tmp_path / "private", "--no-text")
    ours, theirs = tree(private.folder), tree(whole.folder)
    assert ours["metrics.json"] == theirs["metrics.json"]
    assert [{**row, "response": None} for row in judged(private)] == [
        {**row, "response": None} for row in judged(whole)
    ]
    assert llmood("rescore", private.folder).code == 0
    assert tree(private.folder)["correctness.parquet"] == ours["correctness.parquet"]
    assert llmood("cache", "export", private.folder, "-o", tmp_path / "export").code == 0
    assert llmood("import", tmp_path / "export", "-o", tmp_path / "again").code == 0
    assert errors(package.Run(tmp_path / "again")) == errors(private)


@pytest.mark.parametrize("private", [(), ("--no-text",)])
def test_shards_judge_their_own(world: World, tmp_path: Path, private: tuple[str, ...]) -> None:
    whole = run(world, tmp_path / "whole", *private)
    for index in range(3):
        run_shard = llmood("run", world.config, "-o", tmp_path / "cut", "--shard", f"{index}/3", *private)
        assert run_shard.code == 0, run_shard
    assert llmood("merge", tmp_path / "cut").code == 0
    ours, theirs = tree(tmp_path / "cut"), tree(whole.folder)
    for name in ("correctness.parquet", "metrics.json", "scores.parquet"):
        assert ours[name] == theirs[name], name


def test_a_shard_that_lost_verdicts_is_damaged(world: World, tmp_path: Path) -> None:
    for index in range(2):
        llmood("run", world.config, "-o", tmp_path / "cut", "--shard", f"{index}/2")
    path = tmp_path / "cut" / "shards" / "1-of-2" / "correctness.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    outcome = llmood("merge", tmp_path / "cut")
    assert outcome.code == 1
    assert "correctness.parquet: is damaged" in outcome.err


def logged(correct: bool | None, count: int, kind: str) -> list[dict[str, Any]]:
    more: Mapping[str, Any] = {} if correct is None else {"correct": correct}
    return [
        {
            "prompt": f"{kind} {place} {correct}",
            "response": f"it is {place % 2}",
            "references": ["it is 1"],
            "prompt_logprobs": [None, -0.1 * place - (1 if correct is False else 0)],
            **more,
        }
        for place in range(count)
    ]


@pytest.mark.parametrize("private", [(), ("--no-text",)])
def test_imported_answers_are_judged(tmp_path: Path, fresh_cache: Path, private: tuple[str, ...]) -> None:
    ours = write_jsonl(tmp_path / "ours.jsonl", logged(None, 20, "a"))
    theirs = write_jsonl(tmp_path / "theirs.jsonl", logged(None, 20, "b"))
    options = ("--ood", theirs, "--shift", "near", "-o", tmp_path / "run", *private)
    made = llmood("import", ours, *options, "--set", "bootstrap.draws=100")
    assert made.code == 0, made
    records = errors(package.Run(tmp_path / "run"))
    assert one(records, metric="accuracy", ood_task=None)["value"] == 0.5
    assert {record["correctness"] for record in records} == {"exact_match"}


def test_verdicts_that_came_with_the_rows_win(tmp_path: Path, fresh_cache: Path, no_report: None) -> None:
    right, wrong = logged(True, 15, "a"), logged(False, 10, "a")
    ours = write_jsonl(tmp_path / "ours.jsonl", [*right, *wrong, *logged(None, 2, "a")])
    theirs = write_jsonl(tmp_path / "theirs.jsonl", [*logged(True, 8, "b"), *logged(False, 8, "b")])
    options = ("--ood", theirs, "--shift", "near", "-o", tmp_path / "run")
    made = llmood("import", ours, *options, "--set", "bootstrap.draws=100")
    assert made.code == 0, made
    imported = package.Run(tmp_path / "run")
    found = one(errors(imported), metric="accuracy", ood_task=None)
    assert (found["value"], found["n"], found["correctness"]) == (0.6, 25, "imported")
    assert found["params"]["not_judged"] == {"no label": 2}
    assert one(errors(imported), metric="auroc", scorer="likelihood", ood_task=None)["value"] > 0.5
    assert llmood("rescore", imported.folder, "--set", "correctness=task").code == 0
    assert one(errors(imported), metric="accuracy", ood_task=None)["correctness"] == "exact_match"


def test_the_report_has_a_table_a_population(tmp_path: Path, fresh_cache: Path) -> None:
    world = write_world(
        tmp_path / "world",
        rows("bank", 40),
        rows("near", 30),
        rows("far", 30),
        task={"fields": {"references": "answers"}},
        correctness="task",
    )
    made = run(world, tmp_path / "run")
    page = (made.folder / "report.html").read_text(encoding="utf-8")
    assert "Is the answer wrong?" in page
    for task in ("bank", "near", "far"):
        assert f'aria-label="Error detection on {task}"' in page
    assert "right by exact_match" in page
    assert "What each scorer loses from ID to each set" in page
    assert "AUROC of errors by population:" in page
    assert "AUPR, wrong positive" in page
    assert page.count("records of metrics.json that no table above shows") == 0


def test_the_dry_run_counts_the_answers(world: World, tmp_path: Path) -> None:
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--dry-run", "--json")
    assert RESPONSE in [capture["capture"] for capture in json.loads(outcome.out)["captures"]]


def test_compare_and_model_card_still_read_detection(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run")
    other = run(world.edit(seed=1), tmp_path / "other")
    compared = llmood("compare", made.folder, other.folder, "--json")
    assert compared.code == 0, compared
    own = [r for r in made.records() if r["question"] == "ood_detection" and r["metric"] == "auroc"]
    wanted = {(r["scorer"], r["ood_task"]): r["value"] for r in own}
    for record in json.loads(compared.out)["metrics"]:
        assert record["params"]["a"]["value"] == wanted[record["scorer"], record["ood_task"]]
    card = llmood("report", made.folder, "--model-card")
    assert card.code == 0, card


def test_answers_are_read_beside_their_verdicts(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run")
    answers = made.answers()
    table = {row["sample_id"]: row for row in judged(made)}
    assert list(answers["sample_id"]) == list(made.samples()["sample_id"])
    assert set(answers["text"]) <= set(LEXICON)
    assert all(row.correct is table[row.sample_id]["correct"] for row in answers.itertuples())
    silent = llmood("run", world.config, "--set", "correctness=none", "-o", tmp_path / "silent")
    assert silent.code == 0, silent
    with pytest.raises(ConfigError, match="asked for no answers"):
        package.Run(tmp_path / "silent").answers()


def test_the_surest_wrong_answers_stand_in_the_report(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run")
    told = [
        each
        for each in json.loads((made.folder / "explanations.json").read_text(encoding="utf-8"))
        if each["kind"] == "answer"
    ]
    found = [r for r in errors(made) if (r["metric"], r["population"], r["slice"]) == ("auroc", "id", None)]
    best = max((r for r in found if r["scorer"] not in ("length", "random")), key=lambda r: r["value"])
    assert {each["scorer"] for each in told} == {best["scorer"]}
    scores, answers = made.scores(), made.answers().set_index("sample_id")
    own = scores[scores.scorer == best["scorer"]].set_index("sample_id")["score"]
    samples = made.samples()
    of_id = set(samples[samples.population == "id"].sample_id)
    wrong = [name for name, correct in answers["correct"].items() if correct is False and name in of_id]
    spoken = [name for name in sorted(wrong, key=lambda name: own[name])[:8] if answers["text"][name]]
    assert [each["sample_id"] for each in told] == spoken
    assert all(each["text"] == answers["text"][each["sample_id"]] for each in told)
    page = render_report([made.folder])
    assert f"that <code>{best['scorer']}</code> is surest of" in page
    private = run(world, tmp_path / "private", "--no-text")
    path = private.folder / "explanations.json"
    assert not path.exists() or "answer" not in {e["kind"] for e in json.loads(path.read_text("utf-8"))}
