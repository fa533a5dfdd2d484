"""The model is asked about its own answers, and judges them. Through the command line, mostly on the fake engine."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.engines.fake_model import SAYINGS
from llmood.judging.judge_model import yes_or_no
from llmood.measures.stated_confidence import stated_confidence
from llmood.prompting.base import Material, Turns
from llmood.prompting.judge import JUDGE
from llmood.prompting.p_true import P_TRUE
from llmood.records import Message
from tests.worlds import World, llmood, no_model_runs, refused, write_world

ASKING = [
    "p_true",
    "p_true.sampled",
    "verbalised_confidence",
    "verbalised_confidence.one_turn",
    "linguistic_confidence",
]
STATED = "response/tuned/derived:confidence@1?max_new_tokens=24"
REPLIES = "response/tuned/derived:judge@1?max_new_tokens=16"
SAME = ("samples.parquet", "scores.parquet", "correctness.parquet", "metrics.json", "checks.json")


def rows(kind: str, count: int) -> list[dict[str, Any]]:
    return [
        {"text": f"{kind} card {place} for travel", "answers": ["yes", "seven"] if place % 7 else None}
        for place in range(count)
    ]


@pytest.fixture
def world(tmp_path: Path, fresh_cache: Path, no_report: None) -> World:
    return write_world(
        tmp_path / "world",
        rows("bank", 60),
        rows("near", 40),
        None,
        task={"fields": {"references": "answers"}},
        correctness="task",
        scorers=ASKING,
        generations={"n": 3},
    )


def run(world: World, folder: Path, *options: object) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code == 0, outcome
    return package.Run(folder)


def exported(made: package.Run, folder: Path, capture: str) -> dict[str, dict[str, Any]]:
    assert llmood("cache", "export", made.folder, "-o", folder).code == 0
    files = json.loads((folder / "run.json").read_text(encoding="utf-8"))["exported"]["files"]
    return {row["sample_id"]: row for row in pq.read_table(folder / files[capture]).to_pylist()}


def scores(made: package.Run, scorer: str) -> dict[str, dict[str, Any]]:
    table = pq.read_table(made.folder / "scores.parquet").to_pylist()
    return {row["sample_id"]: row for row in table if row["scorer"] == scorer}


def test_each_score_is_of_what_the_model_said(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run")
    said = exported(made, tmp_path / "export", STATED)
    found = scores(made, "verbalised_confidence")
    assert set(found) == set(said)
    parsed = 0
    for name, row in said.items():
        if row["status"] != "ok":
            assert (found[name]["status"], found[name]["reason"]) == ("unscored", row["reason"])
            assert row["reason"] == "empty answer"
            continue
        assert row["text"] in {text[:24] for text in SAYINGS}
        stated = stated_confidence(row["text"])
        expected = None if stated.confidence is None else 1.0 - stated.confidence
        assert found[name]["score"] == expected
        assert found[name]["reason"] == stated.reason
        assert found[name]["definition"] == "prompt: derived:confidence@1"
        parsed += expected is not None
    assert parsed > 10
    for scorer in ("p_true", "p_true.sampled"):
        values = [row["score"] for row in scores(made, scorer).values() if row["status"] == "ok"]
        assert len(values) > 50
        assert all(0.0 <= value <= 1.0 for value in values)
    (record,) = (
        record
        for record in made.records()
        if (record["question"], record["metric"], record["scorer"], record["ood_task"], record["slice"])
        == ("error_detection", "auroc", "p_true", None, None)
    )
    assert record["value"] is not None


def test_the_share_that_could_be_read_is_a_check(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run")
    checks = json.loads((made.folder / "checks.json").read_text(encoding="utf-8"))
    found = [check for check in checks if check["code"] == "stated_confidence"]
    assert [check["detail"].split()[0] for check in found] == [
        "verbalised_confidence",
        "verbalised_confidence.one_turn",
    ]
    tasks = dict(zip(made.samples()["sample_id"], made.samples()["task"], strict=True))
    for task in ("bank", "near"):
        own = [row for name, row in scores(made, "verbalised_confidence").items() if tasks[name] == task]
        asked = [row for row in own if row["reason"] != "empty answer"]
        share = sum(row["status"] == "ok" for row in asked) / len(asked)
        assert found[0]["values"][task] == pytest.approx(share)
        assert found[0]["severity"] == "warning"


def test_a_dry_run_names_what_would_be_asked(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_model_runs(monkeypatch)
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--dry-run", "--json")
    costs = {cost["capture"]: cost for cost in json.loads(outcome.out)["captures"]}
    assert costs[STATED]["requests"] == 100
    assert costs[STATED]["cached"] is None
    assert costs[STATED]["tokens"] > 100 * 24


def test_scored_again_and_in_shards_it_is_the_same(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.edit(correctness="judge")
    made = run(world, tmp_path / "run")
    for part in ("0/2", "1/2"):
        assert llmood("run", world.config, "-o", tmp_path / "cut", "--shard", part).code == 0
    no_model_runs(monkeypatch)
    assert llmood("merge", tmp_path / "cut").code == 0
    before = {name: (made.folder / name).read_bytes() for name in SAME}
    assert {name: (tmp_path / "cut" / name).read_bytes() for name in SAME} == before
    assert llmood("rescore", made.folder).code == 0
    assert {name: (made.folder / name).read_bytes() for name in SAME} == before


def test_the_judge_s_word_is_the_verdict(world: World, tmp_path: Path) -> None:
    made = run(world.edit(correctness="judge"), tmp_path / "run")
    replies = exported(made, tmp_path / "export", REPLIES)
    answers = exported(made, tmp_path / "export", "response/tuned/prompt?max_new_tokens=64")
    reasons: dict[str | None, int] = {}
    for row in pq.read_table(made.folder / "correctness.parquet").to_pylist():
        reply, answer = replies[row["sample_id"]], answers[row["sample_id"]]["text"]
        reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
        assert row["rule"] == "judge"
        if row["reason"] == "empty answer":
            assert (row["correct"], answer) == (False, "")
        elif row["status"] == "ok":
            assert row["correct"] is yes_or_no(reply["text"])
        elif row["reason"] == "no reference":
            assert (reply["status"], reply["reason"]) == (
                "unscored",
                "no reference" if answer else "empty answer",
            )
        else:
            assert yes_or_no(reply["text"]) is None
    assert set(reasons) == {None, "empty answer", "no reference", "the judge says neither yes nor no"}
    checks = json.loads((made.folder / "checks.json").read_text(encoding="utf-8"))
    (check,) = (check for check in checks if check["code"] == "judge_replies")
    assert set(check["values"]) == {"bank", "near"}
    assert 0.0 < check["values"]["bank"] < 1.0


@pytest.mark.parametrize("name", ["accuracy_probe", "accuracy_probe.held_out", "ensemble"])
def test_who_learns_from_right_answers_has_the_judge_asked_about_them(
    tmp_path: Path, fresh_cache: Path, no_report: None, name: str
) -> None:
    split = "validation" if name.endswith(".held_out") else "train"
    splits = {"train": rows("trained", 60), "validation": rows("held", 60), "test": rows("bank", 30)}
    world = write_world(
        tmp_path / "world",
        splits,
        rows("near", 20),
        None,
        task={"fields": {"references": "answers"}},
        correctness="judge",
        scorers=[name],
    )
    made = run(world, tmp_path / "run")
    found = scores(made, name)
    assert "ok" in {row["status"] for row in found.values()}
    splits_of = {
        row["sample_id"]: row["split"] for row in pq.read_table(made.folder / "samples.parquet").to_pylist()
    }
    judged = pq.read_table(made.folder / "correctness.parquet").to_pylist()
    known = {
        splits_of[row["sample_id"]] for row in judged if row["correct"] is not None and row["reason"] is None
    }
    assert split in known
    assert known <= {"train", "validation", "test"}
    # Nothing that nobody learns from is answered or judged.
    learned = {split, "validation"}
    assert {splits_of[row["sample_id"]] for row in judged} == {*learned, "test"}


def test_a_judge_of_its_own_is_asked_where_there_is_one(world: World, tmp_path: Path) -> None:
    models = {"base": "fake", "tuned": "fake-tuned:bank card travel", "judge": "fake-judge"}
    own = run(world.edit(correctness="judge", models=models, scorers=["p_true"]), tmp_path / "run")
    captures = own.manifest["captures"]
    assert captures[-1] == REPLIES.replace("tuned", "judge")
    assert REPLIES not in captures
    assert own.manifest["models"]["judge"]["name"] == "fake-judge"
    itself = run(world.edit(models={**models, "judge": None}), tmp_path / "itself")
    assert scores(own, "p_true") == scores(itself, "p_true")
    verdicts = [pq.read_table(made.folder / "correctness.parquet").to_pylist() for made in (own, itself)]
    assert verdicts[0] != verdicts[1]
    before = (own.folder / "metrics.json").read_bytes()
    assert llmood("rescore", own.folder, "--set", "correctness=task").code == 0
    assert llmood("rescore", own.folder, "--set", "correctness=judge").code == 0
    assert (own.folder / "metrics.json").read_bytes() == before


def test_another_rule_and_the_judge_again_from_what_is_stored(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(world.edit(correctness="judge"), tmp_path / "run")
    no_model_runs(monkeypatch)
    judged = (made.folder / "correctness.parquet").read_bytes()
    assert llmood("rescore", made.folder, "--set", "correctness=alias").code == 0
    assert (made.folder / "correctness.parquet").read_bytes() != judged
    assert llmood("rescore", made.folder, "--set", "correctness=judge").code == 0
    assert (made.folder / "correctness.parquet").read_bytes() == judged
    refused(
        llmood("rescore", made.folder, "--set", "correctness=entailment"),
        "correctness",
        "entailment asks models.nli, and scoring again loads no model",
    )


def test_without_a_word_kept_the_judge_says_the_same(world: World, tmp_path: Path) -> None:
    world.edit(correctness="judge", scorers=["p_true"])
    open_, private = run(world, tmp_path / "open"), run(world, tmp_path / "private", "--no-text")
    verdicts = [
        [
            {key: row[key] for key in ("sample_id", "correct", "status", "reason")}
            for row in pq.read_table(made.folder / "correctness.parquet").to_pylist()
        ]
        for made in (open_, private)
    ]
    assert verdicts[0] == verdicts[1]
    assert scores(open_, "p_true") == scores(private, "p_true")


@pytest.mark.parametrize("scorer", ["p_true.sampled", "verbalised_confidence", "linguistic_confidence"])
def test_who_reads_words_is_refused_where_none_are_kept(world: World, tmp_path: Path, scorer: str) -> None:
    outcome = llmood("run", world.edit(scorers=[scorer]).config, "-o", tmp_path / "run", "--no-text")
    refused(outcome, scorer, "reads the answers' words", "--no-text")


def test_mistakes_are_found_before_a_model_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_model_runs(monkeypatch)
    made = [world.config, "-o", tmp_path / "run"]
    world.edit(correctness="entailment")
    refused(llmood("run", *made), "correctness: entailment needs models.nli")
    world.edit(correctness="task")
    path = world.folder / "near" / "t.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "correctness: judge\n", encoding="utf-8")
    refused(llmood("run", *made), "near: correctness: judge asks a model", "in the configuration")


def test_an_import_has_nobody_to_ask(tmp_path: Path, fresh_cache: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [{"prompt": f"what is {place}", "response": "it", "references": ["it"]} for place in range(5)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    outcome = llmood("import", path, "-o", tmp_path / "run", "--set", "correctness=judge")
    refused(outcome, "correctness: judge asks a model", "another rule")


@pytest.mark.slow
@pytest.mark.parametrize("chat", [False, True])
def test_a_tiny_model_is_asked_in_its_own_words(
    tmp_path: Path, fresh_cache: Path, no_report: None, chat: bool
) -> None:
    """p(True) through the transformers engine is that of transformers alone on the rendered text."""
    from tests import nli_models, tiny_models

    model = tiny_models.save_model(tmp_path / "model", max_position_embeddings=1024)
    nli = nli_models.save_cross_encoder(tmp_path / "nli")
    world = write_world(
        tmp_path / "world",
        rows("bank", 6),
        rows("near", 5),
        None,
        task={"fields": {"references": "answers"}},
        correctness="entailment",
        scorers=["p_true", "verbalised_confidence"],
        models={"tuned": str(model), "nli": str(nli)},
        engine={"kind": "transformers", "dtype": "float32", "device": "cpu"},
        response={"max_new_tokens": 8},
        chat=chat,
    )
    made = run(world, tmp_path / "run")
    answers = exported(made, tmp_path / "export", "response/tuned/prompt?max_new_tokens=8")
    tokenizer = tiny_models.engine_of(model).tokenizer("base")
    plain = tiny_models.plain_model(model)
    messages = dict(zip(made.samples()["sample_id"], made.samples()["messages"], strict=True))
    compared = 0
    for name, row in scores(made, "p_true").items():
        if row["status"] != "ok":
            continue
        text = json.loads(messages[name])[0]["content"][0]["text"]
        turns: Turns = P_TRUE.make(Material((Message("user", text),), answers[name]["text"]))
        rendered = tokenizer.render(turns.messages) if chat else turns.text
        (ids,) = tokenizer.encode([rendered], rendered=chat)
        true, false = (tokenizer.encode([letter], rendered=True)[0][0] for letter in "AB")
        logits = tiny_models.plain_logits(plain, ids)[-1]
        assert row["score"] == pytest.approx(1 / (1 + math.exp(logits[true] - logits[false])), abs=1e-4)
        compared += 1
    assert compared >= 5
    judged = pq.read_table(made.folder / "correctness.parquet").to_pylist()
    assert {row["rule"] for row in judged} == {"entailment"}
    assert any(row["status"] == "ok" and row["reason"] is None for row in judged)


@pytest.mark.slow
def test_a_judge_reads_with_its_own_tokenizer(tmp_path: Path, fresh_cache: Path, no_report: None) -> None:
    """A tuned model without chat template, and a judge of another size and vocabulary with one."""
    from tests import tiny_models

    base = tiny_models.save_model(tmp_path / "base", max_position_embeddings=512)
    tiny_models.save_tokenizer(base, template=None)
    adapter = tiny_models.save_adapter(tmp_path / "adapter", base)
    judge = tiny_models.save_model(tmp_path / "judge", seed=5, vocab_size=320, max_position_embeddings=1024)
    world = write_world(
        tmp_path / "world",
        rows("bank", 6),
        rows("near", 5),
        None,
        task={"fields": {"references": "answers"}},
        correctness="judge",
        scorers=["likelihood_ratio"],
        models={"base": str(base), "tuned": {"adapter": str(adapter)}, "judge": str(judge)},
        engine={"kind": "transformers", "dtype": "float32", "device": "cpu"},
        response={"max_new_tokens": 8},
    )
    made = run(world, tmp_path / "run")
    answers = exported(made, tmp_path / "export", "response/tuned/prompt?max_new_tokens=8")
    replies = exported(made, tmp_path / "again", REPLIES.replace("tuned", "judge"))
    tokenizer = tiny_models.engine_of(judge).tokenizer("base")
    samples = made.samples().set_index("sample_id")
    compared = 0
    for name, reply in replies.items():
        if reply["status"] != "ok":
            continue
        text = json.loads(samples.loc[name, "messages"])[0]["content"][0]["text"]
        references = tuple(samples.loc[name, "references"])
        turns = JUDGE.make(Material((Message("user", text),), answers[name]["text"], (), references))
        (ids,) = tokenizer.encode([tokenizer.render(turns.messages)], rendered=True)
        ours = [*ids, *reply["token_ids"]]
        expected = tiny_models.plain_logprobs(judge, ours)[-len(reply["token_ids"]) :]
        assert reply["logprobs"] == pytest.approx(expected, abs=1e-4)
        compared += 1
    assert compared >= 5
