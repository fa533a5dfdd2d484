"""Answers compared with draws, tokens and sentences through the command line, by models with random weights."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.engines.base import Captured, Request
from llmood.engines.captures import EQUIVALENCE
from llmood.engines.fake import FakeEngine
from llmood.engines.fake_model import FakeTokenizer
from llmood.judging.equivalence.compare import NO_VERDICT
from llmood.records import FAILED, CaptureSpec
from llmood.scorers.base import scorers
from tests import tiny_models
from tests.encoders import save_encoder
from tests.nli_models import save_cross_encoder
from tests.task_files import write_jsonl
from tests.worlds import World, llmood, no_model_runs, refused, write_world

# EigenScore takes an encoder whatever the rule is: it has tests of its own below.
COMPARING = [
    name
    for name, entry in scorers
    if name != "eigenscore" and any(spec.kind == EQUIVALENCE for spec in entry.make().needs)
]
BY_ANSWER = [
    name for name in COMPARING if any(spec.kind == "response" for spec in scorers.get(name).make().needs)
]


@pytest.fixture
def world(tmp_path: Path, fresh_cache: Path) -> World:
    rows = [{"text": f"my bank card number {place} for travel"} for place in range(12)]
    far = [{"text": f"zyx {place} qqq vvv www"} for place in range(10)]
    return write_world(
        tmp_path / "world",
        rows,
        None,
        far,
        scorers=COMPARING,
        generations={"n": 4},
        response={"max_new_tokens": 20},
    )


def run(world: World, folder: Path, *options: str) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code == 0, outcome
    return package.Run(folder)


def rows_of(made: package.Run) -> list[dict[str, Any]]:
    return list(pq.read_table(made.folder / "scores.parquet").to_pylist())


def compared(made: package.Run) -> dict[str, Any]:
    return dict(json.loads((made.folder / "run.json").read_text(encoding="utf-8"))["compared"])


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["nli", "embedding"])
def test_every_scorer_that_compares_scores_what_was_answered(world: World, tmp_path: Path, rule: str) -> None:
    save = {"nli": save_cross_encoder, "embedding": save_encoder}[rule]
    role = {"nli": "nli", "embedding": "encoder"}[rule]
    options = ["--set", f"models.{role}={save(tmp_path / role)}", "--set", f"equivalence.rule={rule}"]
    made = run(world, tmp_path / "run", *options)
    found = [row for row in rows_of(made) if row["scorer"] in COMPARING]
    assert {row["scorer"] for row in found if row["status"] == "ok"} == set(COMPARING)
    assert all(f"rule={rule}" in row["definition"] for row in found)
    # A sample is unscored for its answers' sake alone.
    reasons = Counter(row["reason"] for row in found if row["status"] != "ok")
    assert set(reasons) <= {"empty answer", "one answer: nothing to compare", "every draw is empty"}
    counts = compared(made)
    assert sum(count["asked"] for count in counts.values()) > 0
    assert all(count["compared"] <= count["pairs"] for count in counts.values())
    # What was compared stays compared: in another run of the same, and when it is scored again.
    again = run(world, tmp_path / "again", *options)
    assert rows_of(again) == rows_of(made)
    assert all(count["asked"] == count["samples"] == 0 for count in compared(again).values())
    scores = rows_of(made)
    assert llmood("rescore", made.folder).code == 0
    assert rows_of(made) == scores
    identity = json.loads((made.folder / "run.json").read_text(encoding="utf-8"))[role]["identity"]
    assert len(identity["weights"]) == 32


@pytest.mark.slow
def test_pairs_longer_than_an_inference_model_reads_are_said(
    tmp_path: Path, fresh_cache: Path, no_report: None
) -> None:
    long = [{"text": f"card {place} " + "and so on " * 30} for place in range(4)]
    world = write_world(
        tmp_path / "world",
        long,
        [{"text": f"town {place}"} for place in range(4)],
        None,
        scorers=["semantic_entropy"],
        generations={"n": 4},
        response={"max_new_tokens": 20},
        models={"base": "fake", "tuned": "fake-tuned:card", "nli": str(save_cross_encoder(tmp_path / "nli"))},
        equivalence={"rule": "nli"},
    )
    made = run(world, tmp_path / "run")
    ((name, count),) = compared(made).items()
    assert 0 < count["cut"] < count["asked"]  # those of the short questions are whole
    checks = json.loads((made.folder / "checks.json").read_text(encoding="utf-8"))
    (said,) = (check for check in checks if check["code"] == "pairs_cut")
    assert said["detail"].startswith(f"Of {count['cut']} pairs of {name} ")


@pytest.mark.parametrize("own", [True, False])
def test_a_judge_is_asked_through_the_run_s_engine(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_report: None, own: bool
) -> None:
    options = ["--set", "equivalence.rule=judge", *(["--set", "models.judge=fake-judge"] if own else [])]
    made = run(world, tmp_path / "run", *options)
    found = [row for row in rows_of(made) if row["scorer"] in COMPARING]
    assert {row["scorer"] for row in found if row["status"] == "ok"} == set(COMPARING)
    said = "equivalence: rule=judge, prompt=derived:same_answer@1, question="
    assert all(said in row["definition"] for row in found)
    assert sum(count["asked"] for count in compared(made).values()) > 0
    assert sum(count["unread"] for count in compared(made).values()) == 0
    for part in ("0/2", "1/2"):
        folder = tmp_path / "cut"
        assert llmood("run", world.config, "-o", folder, *options, "--shard", part).code == 0
    # Nobody is asked twice, and nobody where a run is put together or scored again.
    no_model_runs(monkeypatch)
    again = run(world, tmp_path / "again", *options)
    assert rows_of(again) == rows_of(made)
    assert llmood("merge", tmp_path / "cut").code == 0
    assert rows_of(package.Run(tmp_path / "cut")) == rows_of(made)
    scores = rows_of(made)
    assert llmood("rescore", made.folder).code == 0
    assert rows_of(made) == scores


@pytest.mark.slow
def test_a_judge_is_loaded_after_the_model_that_answered(
    tmp_path: Path, fresh_cache: Path, no_report: None
) -> None:
    base = tiny_models.save_model(tmp_path / "base", max_position_embeddings=512)
    judge = tiny_models.save_model(tmp_path / "judge", seed=5, max_position_embeddings=512)
    adapter = tiny_models.save_adapter(tmp_path / "adapter", base)
    world = write_world(
        tmp_path / "world",
        [{"text": f"card {place}"} for place in range(6)],
        [{"text": f"town {place}"} for place in range(5)],
        None,
        scorers=["semantic_entropy"],
        generations={"n": 4},
        response={"max_new_tokens": 6},
        models={"base": str(base), "tuned": {"adapter": str(adapter)}, "judge": str(judge)},
        engine={"kind": "transformers", "dtype": "float32", "device": "cpu"},
        equivalence={"rule": "judge"},
    )
    made = run(world, tmp_path / "run")
    (count,) = compared(made).values()
    assert count["asked"] > 20
    assert {row["status"] for row in rows_of(made) if row["scorer"] == "semantic_entropy"} == {"ok"}


def failing_on(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """The engine has no number for the pairs of answers to questions with these words; a server can't judge pairs."""
    capture = FakeEngine.capture

    def broken(self: FakeEngine, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        said = capture(self, spec, requests)
        if spec.kind != "next_token":
            return said
        asked = [FakeTokenizer().decode(request.token_ids) for request in requests]
        return [
            Captured(status=FAILED, reason="broke") if words in text else each
            for text, each in zip(asked, said, strict=True)
        ]

    monkeypatch.setattr(FakeEngine, "capture", broken)


def judged_pairs(world: World) -> World:
    return world.edit(scorers=["semantic_entropy"], equivalence={"rule": "judge"})


def test_pairs_that_a_judge_failed_on_are_asked_again_by_the_same_command(
    world: World, tmp_path: Path, no_report: None
) -> None:
    judged_pairs(world)
    words = "number 7 for travel"
    with pytest.MonkeyPatch.context() as patch:
        failing_on(patch, words)
        outcome = llmood("run", world.config, "-o", tmp_path / "run")
    made = package.Run(tmp_path / "run")
    assert (outcome.code, made.status) == (1, "partial")
    named = dict(zip(made.samples()["sample_id"], made.samples()["prompt"], strict=True))
    own = [row for row in rows_of(made) if row["scorer"] == "semantic_entropy"]
    failed = [row for row in own if row["status"] == "failed"]
    assert [words in named[row["sample_id"]] for row in failed] == [True]
    assert (failed[0]["score"], failed[0]["reason"]) == (None, NO_VERDICT)
    assert sum(count["failed"] for count in compared(made).values()) == 1
    assert f"semantic_entropy: 1 samples failed, the first for: {NO_VERDICT}" in outcome.out
    # The rest stays compared, and this one is compared now.
    again = run(world, tmp_path / "run")
    assert again.status == "complete"
    assert [count["samples"] for count in compared(again).values()] == [1]
    elsewhere = run(world, tmp_path / "elsewhere")
    assert rows_of(elsewhere) == rows_of(again)


def test_a_judge_that_fails_on_every_pair_ends_the_run(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_pairs(world)
    failing_on(monkeypatch, "")
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 1
    assert outcome.err.startswith("llmood: ")
    assert "equivalence.rule: judge: models.tuned gives no verdict: broke" in outcome.err
    assert package.Run(tmp_path / "run").status == "failed"


def test_a_judge_whose_engine_shows_no_next_token_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEngine, "captures", FakeEngine.captures - {("next_token", "prompt")})
    no_model_runs(monkeypatch)
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--set", "equivalence.rule=judge")
    refused(
        outcome, "equivalence.rule: judge needs next_token/tuned/", "engines that can: transformers, vllm"
    )


def test_one_draw_is_enough_for_the_answer_and_too_few_for_the_rest(world: World, tmp_path: Path) -> None:
    options = ("--set", "generations.n=1", "--set", "equivalence.rule=exact")
    outcome = llmood("run", world.config, "-o", tmp_path / "run", *options)
    refused(outcome, "compares at least 2 answers to a prompt, and generations.n is 1")
    made = run(world, tmp_path / "run", *options, "--set", f"scorers=[{', '.join(BY_ANSWER)}]")
    scored = {row["scorer"] for row in rows_of(made) if row["status"] == "ok"}
    assert scored & set(COMPARING) == set(BY_ANSWER)


@pytest.mark.parametrize(("rule", "missing"), [("nli", "models.nli"), ("embedding", "models.encoder")])
def test_a_rule_without_its_model_is_refused(world: World, tmp_path: Path, rule: str, missing: str) -> None:
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--set", f"equivalence.rule={rule}")
    refused(outcome, f"equivalence.rule: {rule} needs {missing}")


def test_a_folder_that_is_no_sentence_encoder_is_refused(world: World, tmp_path: Path) -> None:
    folder = save_cross_encoder(tmp_path / "nli")
    options = ["--set", f"models.encoder={folder}", "--set", "equivalence.rule=embedding"]
    refused(llmood("run", world.config, "-o", tmp_path / "run", *options), "models.encoder", "modules.json")


def test_eigenscore_takes_an_encoder_whatever_the_rule_is(world: World, tmp_path: Path) -> None:
    world.edit(scorers=["eigenscore", "semantic_entropy"])
    refused(llmood("run", world.config, "-o", tmp_path / "run"), "scorers: eigenscore needs models.encoder")
    encoder = save_encoder(tmp_path / "encoder")
    options = ["--set", f"models.encoder={encoder}"]
    dry = llmood("run", world.config, "-o", tmp_path / "run", "--dry-run", "--json", *options)
    assert dry.code == 0, dry
    made = run(world, tmp_path / "run", *options)
    found = [row for row in rows_of(made) if row["scorer"] == "eigenscore"]
    values = [row["score"] for row in found if row["status"] == "ok"]
    assert len(set(values)) > 5
    assert {row["definition"] for row in found} == {"embeddings of the encoder, alpha=0.001"}
    assert "rule=exact" in next(
        row["definition"] for row in rows_of(made) if row["scorer"] == "semantic_entropy"
    )
    before = rows_of(made)
    assert llmood("rescore", made.folder).code == 0
    assert rows_of(made) == before


def test_a_run_that_keeps_no_text_compares_none(world: World, tmp_path: Path) -> None:
    refused(llmood("run", world.config, "-o", tmp_path / "run", "--set", "text=false"), "this run keeps none")


def test_imported_answers_are_compared_by_their_words(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": f"question {place}",
            "response": "red",
            "response_logprobs": [-0.5],
            "draws": ["Red.", "red" if place % 2 else "blue", "green"],
        }
        for place in range(8)
    ]
    path = write_jsonl(tmp_path / "log.jsonl", rows)
    few = ("--set", "bootstrap.draws=100")
    assert llmood("import", path, "-o", tmp_path / "run", *few).code == 0
    made = package.Run(tmp_path / "run")
    found: dict[str, list[float]] = {}
    for row in rows_of(made):
        found.setdefault(row["scorer"], []).append(row["score"])
    assert sorted(found["self_consistency.answer"]) == pytest.approx([1 / 3] * 4 + [2 / 3] * 4)
    # Nobody gave the draws' log-probabilities, or a tokenizer: nothing is scored by default that takes one.
    assert {"semantic_entropy.discrete", "cocoa.ppl"} <= set(found)
    assert not {"semantic_entropy", "semantic_density", "cocoa.mte", "token_sar", "sar"} & set(found)
    assert llmood("cache", "export", made.folder, "-o", tmp_path / "export").code == 0
    assert llmood("import", tmp_path / "export", "-o", tmp_path / "again").code == 0
    assert rows_of(package.Run(tmp_path / "again")) == rows_of(made)
    # Asked for by name it says what it lacks.
    assert llmood("rescore", made.folder, "--set", "scorers=[semantic_entropy]").code == 0
    said = {row["reason"] for row in rows_of(made) if row["scorer"] == "semantic_entropy"}
    assert said == {"some draws have no log-probabilities"}
