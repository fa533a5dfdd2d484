"""Runs on a server that fails, dies, refuses, is replaced: complete in the end, or one line and what is finished."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from llmood.engines.fake_model import BEGIN, FIRST_BYTE, FakeTokenizer
from llmood.engines.server.probe import TEXT
from llmood.identity import digest_bytes
from tests.stub_http import port_of, serving
from tests.stub_server import COMPLETIONS, Asked, Fault, Stub
from tests.worlds import World, llmood, refused, spawn, tree, write_world

TUNED = "fake-tuned:bank card travel"
SCORERS = ["likelihood_ratio", "likelihood.mean", "likelihood_ratio.response"]
SEVEN = ord("7") + FIRST_BYTE  # the token of a figure that some prompts hold, and the probe doesn't
ROUGH: tuple[Fault, ...] = (429, 500, "drop", "truncate", {"status": 429, "headers": {"Retry-After": "0.01"}})


@pytest.fixture(autouse=True)
def _surroundings(fresh_cache: Path, no_report: None) -> None:
    """An empty store, and no pages."""


@pytest.fixture
def stub(stub: Stub) -> Stub:
    stub.models = ("fake", TUNED)
    return stub


@pytest.fixture
def world(tmp_path: Path, stub: Stub, fake_tokenizer: Path) -> World:
    server = {"url": stub.url, "tokenizer": str(fake_tokenizer), "concurrency": 4}
    engine = {
        "kind": "openai",
        "server": server,
        "canary": 0,
    }  # where requests are counted, none is sent again
    return write_world(tmp_path / "world", engine=engine, scorers=SCORERS)


def status(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["status"])


def scores(run: Path) -> Any:
    return pq.read_table(run / "scores.parquet")


def fake_scores(world: World, tmp_path: Path) -> Any:
    outcome = llmood("run", world.config, "-o", tmp_path / "fake", "--set", "engine.kind=fake")
    assert outcome.code == 0
    return scores(tmp_path / "fake")


def failed(code: int, outcome: Any, *words: str) -> None:
    """It ended with this code and one line."""
    assert outcome.code == code, outcome
    assert outcome.err.startswith("llmood: ")
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err


def one_in_five(path: str, body: Asked, before: int) -> Fault:
    """A fault for a fifth of all calls, by hash of what is asked and how often it was before."""
    drawn = int(digest_bytes(f"{path}|{json.dumps(body, sort_keys=True)}|{before}".encode()), 16)
    return ROUGH[drawn // 5 % len(ROUGH)] if drawn % 5 == 0 else None


def test_a_run_on_a_server_is_the_same_run(world: World, stub: Stub, tmp_path: Path) -> None:
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    assert scores(tmp_path / "run").equals(fake_scores(world, tmp_path))


def test_some_are_asked_again_to_see_how_far_a_server_moves(world: World, stub: Stub, tmp_path: Path) -> None:
    assert llmood("run", world.config, "-o", tmp_path / "run", "--set", "engine.canary=4").code == 0
    found = json.loads((tmp_path / "run" / "run.json").read_text())["canary"]
    assert found["samples"] == 4
    assert found["noise"]["tuned"]["largest"] < 1e-6
    assert found["answers"]["tuned"]["asked"] == found["answers"]["tuned"]["same"] > 0
    assert found["path"] is None
    assert "shows no weights" in found["reason"]


def test_a_server_that_fails_a_fifth_of_its_calls(world: World, stub: Stub, tmp_path: Path) -> None:
    stub.fault = one_in_five
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert status(tmp_path / "run") == "complete"
    # Nothing is lost, nothing is doubled, and no number is another.
    assert scores(tmp_path / "run").equals(fake_scores(world, tmp_path))
    index = pq.read_table(tmp_path / "run" / "observations" / "index.parquet")
    asked = [(row["sample_id"], row["capture"]) for row in index.to_pylist()]
    assert len(asked) == len(set(asked))
    assert set(index["status"].to_pylist()) <= {"ok", "unscored"}
    assert set(answers(stub).values()) == {1}
    faults = sum(one_in_five(path, body, 0) is not None for path, body, _ in stub.asked)
    assert 0.1 < faults / len(stub.asked) < 0.35  # and it did fail
    # The store holds all of it: again costs the few requests that find out what the server can do.
    stub.forget()
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    assert len(stub.asked) < 15


def test_a_server_that_dies_and_comes_back(world: World, stub: Stub, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ("run", world.config, "-o", run, "--set", "engine.server.concurrency=1")
    stub.fault = lambda path, body, before: stub.die() if len(stub.asked) == 90 else None
    failed(1, llmood(*arguments), "can't be reached", "the same command goes on")
    assert status(run) == "failed"
    finished = sum(answers(stub).values())
    assert 80 <= finished < 90
    failed(1, llmood(*arguments), "can't be reached")  # it is still away
    stub.fault = Stub.fault
    with serving(stub, port=port_of(stub)):
        assert llmood(*arguments).code == 0
    assert scores(run).equals(fake_scores(world, tmp_path))
    # What was finished was not asked for again, and all the rest was.
    assert set(answers(stub).values()) == {1}
    assert sum(answers(stub).values()) > finished + 60


def answers(stub: Stub) -> Counter[str]:
    """How often each request was answered, without those that find out what the server can do."""
    probe = [BEGIN, *(byte + FIRST_BYTE for byte in TEXT.encode())]
    asked = [body for path, body in stub.answered if path == COMPLETIONS]
    return Counter(json.dumps(body) for body in asked if body["prompt"] != probe[: len(body["prompt"])])


def test_a_run_within_a_budget_takes_several(world: World, stub: Stub, tmp_path: Path) -> None:
    run = tmp_path / "run"
    codes, counted = [], []
    for _ in range(9):
        stub.forget()
        outcome = llmood("run", world.config, "-o", run, "--set", "engine.server.max_requests=60")
        codes.append(outcome.code)
        counted.append(stub.count())
        if outcome.code == 0:
            break
        failed(1, outcome, "the budget is spent: 60 requests")
    assert codes[:-1] == [1] * (len(codes) - 1)
    assert codes[-1] == 0
    assert len(codes) > 3
    assert max(counted) <= 60 + 12  # what finds out what the server can do isn't counted
    assert scores(run).equals(fake_scores(world, tmp_path))


def test_patience_may_change_and_the_address_may_not(world: World, stub: Stub, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert llmood("run", world.config, "-o", run).code == 0
    assert llmood("run", world.config, "-o", run, "--set", "engine.server.concurrency=2").code == 0
    refused(
        llmood("run", world.config, "-o", run, "--set", "engine.server.url=http://127.0.0.1:9/v1"),
        "holds the run of another configuration: engine.server.url",
    )


def test_a_model_that_was_replaced_between_two_runs(world: World, stub: Stub, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert llmood("run", world.config, "-o", run).code == 0
    stub.aliases[TUNED] = "retrained"
    refused(llmood("run", world.config, "-o", run), "holds a complete run", "other weights or data")
    assert llmood("run", world.config, "-o", tmp_path / "second").code == 0
    assert not scores(tmp_path / "second").equals(scores(run))
    (check,) = [
        found
        for found in json.loads((tmp_path / "second" / "checks.json").read_text())
        if found["code"] == "unseen_weights" and "models.tuned" in found["detail"]
    ]
    assert "another model was served under that name before" in check["detail"]


def test_samples_that_fail_are_counted_and_tried_again(world: World, stub: Stub, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stub.fault = lambda path, body, before: "fewer" if SEVEN in body.get("prompt", ()) else None
    outcome = llmood("run", world.config, "-o", run, "--set", "scorers=[likelihood]")
    assert outcome.code == 1
    assert status(run) == "partial"
    reasons = {row["reason"] for row in scores(run).to_pylist() if row["status"] == "failed"}
    assert reasons
    assert all("that were sent" in reason for reason in reasons)
    stub.fault = Stub.fault
    assert llmood("run", world.config, "-o", run, "--set", "scorers=[likelihood]").code == 0
    assert status(run) == "complete"


@pytest.mark.parametrize("text", ["true", "false"])
def test_a_server_s_words_are_kept_only_where_text_is(
    world: World, stub: Stub, tmp_path: Path, text: str
) -> None:
    run = tmp_path / "run"
    refusal = {"status": 400, "body": {"error": {"message": "the weather of tulips is private"}}}
    stub.fault = lambda path, body, before: refusal if SEVEN in body.get("prompt", ()) else None
    assert (
        llmood("run", world.config, "-o", run, "--set", f"text={text}", "--set", "scorers=[likelihood]").code
        == 1
    )
    table = scores(run).to_pylist()
    (reason,) = {row["reason"] for row in table if row["status"] == "failed"}
    assert reason.startswith("the server gave no answer: it answers 400")
    assert ("tulips" in reason) == (text == "true")


JUDGED = "Does the proposed answer mean the same as one of the correct answers?"


def judged_by_server(world: World) -> World:
    """The same, with right answers and a judge that is asked through the server."""
    for name in ("bank", "near", "far"):
        path = world.folder / name / "test.jsonl"
        rows = [json.loads(line) | {"answers": ["yes", "seven"]} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        task = world.folder / name / "t.yaml"
        task.write_text(task.read_text() + "fields: {references: answers}\n")
    return world.edit(correctness="judge", scorers=["likelihood"])


def asks_the_judge(body: Asked, about: str = "") -> bool:
    prompt = FakeTokenizer().decode(body["prompt"]) if isinstance(body.get("prompt"), list) else ""
    return JUDGED in prompt and about in prompt


def verdicts(run: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(run / "correctness.parquet").to_pylist())


def checks(run: Path, code: str) -> list[dict[str, Any]]:
    found = json.loads((run / "checks.json").read_text(encoding="utf-8"))
    return [check for check in found if check["code"] == code]


def test_a_judge_that_fails_leaves_its_answers_for_the_next_run(
    world: World, stub: Stub, tmp_path: Path
) -> None:
    judged_by_server(world)
    run, about = tmp_path / "run", "weather of town 7"
    stub.fault = lambda path, body, before: 400 if asks_the_judge(body, about) else None
    outcome = llmood("run", world.config, "-o", run)
    assert (outcome.code, status(run)) == (1, "partial")
    (failed_row,) = (row for row in verdicts(run) if row["status"] == "failed")
    assert failed_row["reason"].startswith("the server gave no answer: it answers 400")
    assert failed_row["correct"] is None
    others = [row for row in verdicts(run) if row["status"] != "failed"]
    assert any(row["status"] == "ok" for row in others)
    (check,) = checks(run, "judging_failed")
    assert check["values"] == {"failed": 1, "answers": len(verdicts(run))}
    assert "1 of 60 answers have no verdict because a model failed" in outcome.out
    # The same command asks for that one alone.
    stub.fault = Stub.fault
    stub.forget()
    assert llmood("run", world.config, "-o", run).code == 0
    assert status(run) == "complete"
    assert sum(asks_the_judge(body) for body in stub.bodies()) == 1
    assert {row["status"] for row in verdicts(run)} <= {"ok", "unscored"}
    assert not checks(run, "judging_failed")
    assert [row for row in verdicts(run) if row["sample_id"] != failed_row["sample_id"]] == others


def test_a_judge_that_always_fails_ends_with_1(world: World, stub: Stub, tmp_path: Path) -> None:
    judged_by_server(world)
    run = tmp_path / "run"
    stub.fault = lambda path, body, before: 400 if asks_the_judge(body) else None
    assert llmood("run", world.config, "-o", run).code == 1
    assert status(run) == "partial"
    # What an empty answer is needs no judge.
    assert {(row["status"], row["correct"]) for row in verdicts(run)} == {("failed", None), ("ok", False)}
    assert {row["reason"] for row in verdicts(run) if row["status"] == "ok"} == {"empty answer"}


# ------------------------------------------------------------------------------------- mistakes, and what is refused


def test_a_key_is_only_in_the_environment(
    world: World, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    stub.key = "tulips-in-spring"
    run = tmp_path / "run"
    refused(llmood("run", world.config, "-o", run), "refuses the key", "key_env")
    monkeypatch.setenv("SPRING", "daffodils")
    wrong = llmood("run", world.config, "-o", run, "--set", "engine.server.key_env=SPRING")
    refused(wrong, "refuses the key")
    assert "daffodils" not in wrong.err
    assert not run.exists()
    monkeypatch.setenv("SPRING", "tulips-in-spring")
    outcome = llmood("run", world.config, "-o", run, "--set", "engine.server.key_env=SPRING")
    assert outcome.code == 0
    written = {**tree(run), **tree(fresh_cache)}
    assert written
    assert not [name for name, content in written.items() if b"tulips" in content]
    assert "tulips" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("models.tuned=fake-tund",), ("models.tuned", "serves no 'fake-tund'", f"It serves fake, {TUNED}")),
        (("models.tuned={adapter: a/b/c}",), ("models.tuned.adapter", "--lora-modules")),
        (("engine.server=null",), ("engine.server: is missing",)),
        (("engine.server.url=http://u:p@x/v1",), ("engine.server.url", "key_env")),
        (("engine.server.key_env=UNHEARD_OF",), ("engine.server.key_env", "is not set")),
        (("engine.server.tokenizer=nowhere/at/all",), ("engine.server.tokenizer: no folder",)),
        (
            ("engine.server.tokenizer=null",),
            ("needs prompt_logprobs", "can't capture: engine.server.tokenizer is not set"),
        ),
        (("scorers=[min_k_plus_plus]",), ("the engine 'openai' can't capture: it doesn't record that",)),
    ],
)
def test_mistakes_are_told_before_anything_is_asked_in_earnest(
    world: World, stub: Stub, tmp_path: Path, change: tuple[str, ...], words: tuple[str, ...]
) -> None:
    options = [word for key in change for word in ("--set", key)]
    for verb in (("run", world.config, "-o", tmp_path / "run"), ("validate", world.config)):
        refused(llmood(*verb, *options), *words)
    assert not (tmp_path / "run").exists()
    assert stub.count() <= 2 * 5


def test_a_server_that_gives_no_log_probabilities(world: World, stub: Stub, tmp_path: Path) -> None:
    stub.scoring = stub.echo = False
    refused(
        llmood("run", world.config, "-o", tmp_path / "run"),
        "needs prompt_logprobs",
        "with 'prompt_logprobs' it gives no log-probabilities of the prompt",
    )


def test_a_dry_run_tells_what_would_be_asked(world: World, stub: Stub, tmp_path: Path) -> None:
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--dry-run")
    assert outcome.code == 0
    assert "(guessed)" in outcome.out
    assert stub.count() <= 4
    assert not (tmp_path / "run").exists()


def test_without_a_tokenizer_lengths_are_said_to_be_bytes(world: World, stub: Stub, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ("--set", "engine.server.tokenizer=null", "--set", "scorers=[length]", "--set", "chat=true")
    outcome = llmood("run", world.config, "-o", run, *options)
    assert outcome.code == 0
    assert "count the bytes that were sent" in outcome.out
    sample = pq.read_table(run / "samples.parquet").to_pylist()[0]
    assert json.loads(sample["prompt"])[0]["role"] == "user"


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_finished(world: World, stub: Stub, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stub.fault, stub.delay = (lambda path, body, before: "slow" if len(stub.asked) > 40 else None), 600.0
    with spawn("run", world.config, "-o", run, cwd=tmp_path) as process:
        while len(stub.asked) < 44:
            assert process.poll() is None, process.communicate()
            stub.ended.wait(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted; the same command goes on from here" in said
    assert status(run) == "interrupted"
    before = len(stub.asked)
    stub.fault = Stub.fault
    assert llmood("run", world.config, "-o", run).code == 0
    assert scores(run).equals(fake_scores(world, tmp_path))
    assert len({json.dumps(body) for path, body, _ in stub.asked[before:]}) < 300
