"""Few-shot p(True): judged answers to `train` are shown. Through the command line, on the fake engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.engines.fake import FakeEngine
from llmood.engines.fake_model import FakeTokenizer
from tests.worlds import World, llmood, no_model_runs, refused, write_world

SCORER = "p_true.few_shot"
CAPTURE = "next_token/tuned/derived:p_true_few_shot@1?labels=A|B,shot_rule=task,shot_seed=0,shots=4,top=0"
SAME = ("scores.parquet", "correctness.parquet", "metrics.json", "checks.json")


def rows(kind: str, count: int, *answers: str) -> list[dict[str, Any]]:
    return [
        {"text": f"{kind} card {place} for travel", "answers": list(answers or ("yes", "seven"))}
        for place in range(count)
    ]


@pytest.fixture
def world(tmp_path: Path, fresh_cache: Path, no_report: None) -> World:
    bank = {
        "train": rows("shown", 30),
        "validation": rows("held", 8),
        "calibration": rows("kept", 4),
        "test": rows("bank", 24),
    }
    return write_world(
        tmp_path / "world",
        bank,
        rows("near", 16),
        None,
        task={"fields": {"references": "answers"}},
        scorers=[SCORER, "p_true"],
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The few-shot prompts that an engine was sent."""
    sent: list[str] = []
    capture = FakeEngine.capture

    def spying(self: FakeEngine, spec: Any, requests: Any) -> Any:
        if "few_shot" in spec.target:
            sent.extend(FakeTokenizer().decode(request.token_ids) for request in requests)
        return capture(self, spec, requests)

    monkeypatch.setattr(FakeEngine, "capture", spying)
    return sent


def run(world: World, folder: Path, *options: object) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code == 0, outcome
    return package.Run(folder)


def scores(made: package.Run, scorer: str = SCORER) -> dict[str, dict[str, Any]]:
    table = pq.read_table(made.folder / "scores.parquet").to_pylist()
    return {row["sample_id"]: row for row in table if row["scorer"] == scorer}


def rewrite(world: World, split: str, new: list[dict[str, Any]]) -> None:
    path = world.folder / "bank" / f"{split}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in new), encoding="utf-8")


def test_shots_are_judged_answers_of_train(world: World, tmp_path: Path, asked: list[str]) -> None:
    made = run(world, tmp_path / "run")
    found = scores(made)
    ok = [row for row in found.values() if row["status"] == "ok"]
    assert len(ok) > 20
    assert all(0.0 <= row["score"] <= 1.0 for row in ok)
    assert {row["definition"] for row in found.values()} == {
        "prompt: derived:p_true_few_shot@1, 4 shots of train by seed 0, judged by task"
    }
    names = made.manifest["shots"][CAPTURE]
    samples = made.samples().set_index("sample_id")
    assert list(samples.loc[names, "split"]) == ["train"] * 4
    judged = {row["sample_id"]: row for row in pq.read_table(made.folder / "correctness.parquet").to_pylist()}
    letters = ["A" if judged[name]["correct"] else "B" for name in names]
    assert sorted(letters) == ["A", "A", "B", "B"]
    assert asked
    for text in asked:
        shown = text.split("\n\n")
        assert [part[-1] for part in shown[:-1]] == letters
        assert [part.split("\n")[0] for part in shown[:-1]] == [
            f"Question: {samples.loc[name, 'prompt']}" for name in names
        ]
        assert shown[-1].startswith(("Question: bank", "Question: near"))


def test_what_is_measured_and_what_is_chosen_by_decide_nothing(
    world: World, tmp_path: Path, asked: list[str]
) -> None:
    run(world, tmp_path / "run")
    first = {text.rpartition("Question: ")[0] for text in asked}
    assert len(first) == 1
    asked.clear()
    rewrite(world, "test", rows("bank", 24, "no", "twelve"))
    rewrite(world, "validation", rows("another", 12, "twelve"))
    run(world, tmp_path / "other", "--set", "seed=0")
    assert {text.rpartition("Question: ")[0] for text in asked} <= first
    asked.clear()
    run(world, tmp_path / "seeded", "--set", "seed=1")
    seeded = {text.rpartition("Question: ")[0] for text in asked}
    assert len(seeded) == 1
    assert seeded != first


def test_scored_again_it_is_the_same_and_under_another_rule_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(world, tmp_path / "run")
    no_model_runs(monkeypatch)
    before = {name: (made.folder / name).read_bytes() for name in SAME}
    assert llmood("rescore", made.folder).code == 0
    assert {name: (made.folder / name).read_bytes() for name in SAME} == before
    for change in ("correctness=f1", "seed=3", "correctness=none"):
        refused(llmood("rescore", made.folder, "--set", change), SCORER, "didn't capture", "'llmood run'")


def test_without_a_word_kept_it_is_the_same(world: World, tmp_path: Path) -> None:
    open_, private = run(world, tmp_path / "open"), run(world, tmp_path / "private", "--no-text")
    assert scores(open_) == scores(private)


def test_without_wrong_answers_it_is_unscored_with_the_remedy(world: World, tmp_path: Path) -> None:
    every = ("yes", "no", "seven", "the red one", "nobody knows", "a small town", "twelve")
    rewrite(world, "train", rows("shown", 30, *every))
    made = run(world, tmp_path / "run")
    assert made.manifest["shots"] == {CAPTURE: []}
    reasons = {row["reason"] for row in scores(made).values()}
    (reason,) = reasons - {"empty answer"}
    assert reason is not None
    assert "2 right and 2 wrong ones are needed" in reason
    assert "fewer 'shots'" in reason


def test_a_short_context_is_a_check(world: World, tmp_path: Path) -> None:
    made = run(world, tmp_path / "run", "--set", "engine.max_length=700")
    checks = json.loads((made.folder / "checks.json").read_text(encoding="utf-8"))
    (check,) = (check for check in checks if check["code"] == "fewer_shots")
    shown = [row for row in scores(made).values() if row["status"] == "ok"]
    assert check["values"] == {"shows 2 of 4 shots": len(shown)}
    assert len(shown) > 20


def test_mistakes_are_found_before_a_model_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_model_runs(monkeypatch)
    made = [world.config, "-o", tmp_path / "run"]
    refused(llmood("run", *made, "--shard", "0/2"), SCORER, "no shard has all of them", "without --shard")
    refused(llmood("run", *made, "--set", "correctness=judge"), "judge asks a model", SCORER)
    refused(llmood("run", *made, "--set", "correctness=none"), SCORER, "judges none")
    world.edit(scorers=[{SCORER: {"shots": 3}}])
    refused(llmood("run", *made), "'shots' is an even number", "not 3")


def test_a_dry_run_counts_the_shots(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--dry-run", "--json")
    costs = {cost["capture"]: cost for cost in json.loads(outcome.out)["captures"]}
    plain = costs["next_token/tuned/derived:p_true@1?labels=A|B,top=0"]
    assert costs[CAPTURE]["requests"] == plain["requests"] == 40
    assert costs[CAPTURE]["tokens"] == 5 * plain["tokens"]
    assert costs["response/tuned/prompt?max_new_tokens=64"]["requests"] == 70
