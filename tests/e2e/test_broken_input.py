"""Rows, models and answers that are not as they should be: each has its status, reason and exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import llmood as package
from llmood.engines.base import Captured, Request
from llmood.engines.fake import FakeEngine
from llmood.errors import EngineError
from llmood.records import CaptureSpec
from tests.worlds import BANK, LETTERS, WEATHER, World, llmood, tree, write_world

pytestmark = pytest.mark.usefixtures("fresh_cache", "no_report")

BROKEN: list[tuple[Any, str]] = [
    ({"label": "no text at all"}, "no column 'text'"),
    ({"text": None}, "no text"),
    ({"text": "   "}, "no text"),
    ({"text": 5}, "wrong type"),
    ({"text": ["a", "b"]}, "wrong type"),
    ('{"text": "cut off', "bad JSON"),
    ("[1, 2]", "wrong type"),
    ('{"text": NaN}', "not a number"),
    (b'{"text": "caf\xe9"}', "invalid UTF-8"),
    (b'{"text": "nul \x00 inside"}', "NUL"),
    ('{"text": "nul \\u0000 escaped"}', "NUL"),
    ('{"text": "half \\ud800 a pair"}', "surrogate"),
]


def run(world: World, folder: Path, *options: object) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code in (0, 1), outcome
    return package.Run(folder)


def test_broken_rows_are_set_aside_and_the_rest_is_scored(tmp_path: Path) -> None:
    rows = [*WEATHER[:10], *(row for row, _ in BROKEN), *WEATHER[10:]]
    world = write_world(tmp_path / "world", near=rows)
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 1
    found = package.Run(tmp_path / "run")
    assert found.status == "partial"
    rejects = [json.loads(line) for line in (tmp_path / "run" / "rejects.jsonl").read_text().splitlines()]
    assert [reject["line"] for reject in rejects] == list(range(11, 11 + len(BROKEN)))
    assert {reject["file"] for reject in rejects} == {"test.jsonl"}
    for reject, (_, reason) in zip(rejects, BROKEN, strict=True):
        assert reason in reject["reason"]
    # What can be read is scored as if the rest were not there, to the last digit.
    clean = run(write_world(tmp_path / "clean"), tmp_path / "other")
    assert tree(found.folder)["scores.parquet"] == tree(clean.folder)["scores.parquet"]
    # And the user is told: how many, where, why.
    assert "status: partial" in outcome.out
    assert f"{len(BROKEN)} rows of near can't be read" in outcome.out
    assert "test.jsonl:11" in outcome.out
    assert "no column 'text'" in outcome.out
    assert "rejected_rows" in {check["code"] for check in found.checks()}


def test_rescoring_a_partial_run_leaves_it_partial(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", near=[*WEATHER, "broken"])
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 1
    assert llmood("rescore", tmp_path / "run").code == 1
    assert package.Run(tmp_path / "run").status == "partial"


def test_json_counts_the_rejects(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", near=[*WEATHER, "broken", "broken too"])
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--json")
    assert outcome.code == 1
    assert outcome.json()["status"] == "partial"
    assert outcome.json()["rejects"] == 2


def test_something_failed_wins_over_a_missed_gate(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", near=[*WEATHER, "broken"])
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--gate", "auroc > 2")
    assert outcome.code == 1
    assert "gate MISSED" in outcome.out


def test_prompts_over_the_context_are_unscored(tmp_path: Path) -> None:
    rows = [*WEATHER, {"text": "weather " * 40}]
    world = write_world(tmp_path / "world", near=rows, scorers=["likelihood", "likelihood.response"])
    found = run(world, tmp_path / "run", "--set", "engine.max_length=100")
    assert found.status == "complete"
    scores = found.scores()
    missing = scores[(scores["scorer"] == "likelihood") & (scores["status"] == "unscored")]
    assert list(missing["reason"]) == ["321 tokens are over the context of 100"]
    records = [r for r in found.records() if r["ood_task"] == "near" and r["metric"] == "auroc"]
    counted = {record["scorer"]: (record["n_positive"], record["n_unscored"]) for record in records}
    assert counted["likelihood"] == (len(WEATHER), 1)
    assert counted["length"] == (len(WEATHER) + 1, 0)
    assert counted["likelihood.response"][1] > 1  # the long prompt, and empty answers
    assert "unscored" in {check["code"] for check in found.checks()}


@pytest.mark.parametrize("whole", [("bank", "near", "far"), ("near",), ("bank",)], ids=" ".join)
def test_populations_without_a_single_score_have_no_number(tmp_path: Path, whole: tuple[str, ...]) -> None:
    long = [{"text": f"{i} word" * 40} for i in range(5)]
    world = write_world(tmp_path / "world", **dict.fromkeys(whole, long))  # type: ignore[arg-type]
    if len(whole) == 3:
        for name in whole:  # tasks need not differ in anything but their text
            (world.folder / name / "test.jsonl").write_text(
                "".join(json.dumps({"text": f"{name} {row['text']}"}) + "\n" for row in long)
            )
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--set", "engine.max_length=60")
    assert outcome.code == 0
    found = package.Run(tmp_path / "run")
    hit = [r for r in found.records() if r["scorer"] == "likelihood" and r["question"] == "ood_detection"]
    empty = [r for r in hit if not (r["n_negative"] and r["n_positive"])]
    assert empty
    assert all(r["value"] is None and r["reason"] and r["ci_low"] is None for r in empty)
    if len(whole) == 3:
        assert len(empty) == len(hit)
    gate = llmood(
        *("run", world.config, "-o", tmp_path / "run", "--set", "engine.max_length=60"),
        *("--gate", "auroc[scorer=likelihood,shift=near] >= 0"),
    )
    assert gate.code == 3
    assert "MISSED" in gate.out


def test_a_single_sample_in_each_population(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", bank=BANK[:1], near=WEATHER[:1], far=LETTERS[:1])
    found = run(world, tmp_path / "run")
    assert found.status == "complete"
    records = [r for r in found.records() if r["metric"] == "auroc"]
    assert all(r["value"] in (0.0, 0.5, 1.0) and r["n"] == 2 for r in records)


@pytest.mark.parametrize("scorers", [["likelihood_ratio", "likelihood"], ["likelihood"]])
def test_a_tuned_model_that_is_its_base(tmp_path: Path, scorers: list[str]) -> None:
    world = write_world(tmp_path / "world", models={"base": "fake", "tuned": "fake"}, scorers=scorers)
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    found = package.Run(tmp_path / "run")
    # Also where nothing compares the two: "tuned" would be a wrong word for what was scored.
    assert outcome.code == 1
    assert found.status == "failed"
    assert "error: The tuned model is the base model: they have the same weights and settings" in outcome.out
    assert "tuned_equals_base" in {check["code"] for check in found.checks()}
    assert llmood("rescore", tmp_path / "run").code == 1


def test_failed_samples_are_counted_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = FakeEngine.capture

    def capture(self: FakeEngine, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        done = honest(self, spec, requests)
        odd = spec.model == "tuned"
        return [
            Captured({}, "failed", "out of luck") if odd and index == 0 else captured
            for index, captured in enumerate(done)
        ]

    world = write_world(tmp_path / "world")
    with monkeypatch.context() as patch:
        patch.setattr(FakeEngine, "capture", capture)
        outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 1
    assert "out of luck" in outcome.out
    found = package.Run(tmp_path / "run")
    assert found.status == "partial"
    failed = found.scores()[lambda frame: frame["status"] == "failed"]
    assert set(failed["scorer"]) == {"likelihood_ratio", "likelihood"}
    assert set(failed["reason"]) == {"out of luck"}
    assert failed["score"].isna().all()
    # The same command tries them again, and ends as an undisturbed run does.
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    assert package.Run(tmp_path / "run").status == "complete"
    assert not (package.Run(tmp_path / "run").scores()["status"] == "failed").any()


def test_an_engine_that_breaks_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    honest = FakeEngine.capture

    def capture(self: FakeEngine, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        if spec.model == "base":
            raise EngineError("the device went away", hint="try again")
        return honest(self, spec, requests)

    world = write_world(tmp_path / "world")
    with monkeypatch.context() as patch:
        patch.setattr(FakeEngine, "capture", capture)
        outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "llmood: the device went away (try again)\n"
    manifest = package.Run(tmp_path / "run").manifest
    assert manifest["status"] == "failed"
    assert "the device went away" in manifest["error"]
    kept = tree(fresh_cache / "observations")
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0
    assert package.Run(tmp_path / "run").manifest["error"] is None
    assert kept.items() <= tree(fresh_cache / "observations").items()


HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \x9b31m",
    "\u202eright to left\u202c שלום مرحبا",
    "😀👩‍👩‍👧‍👦 e\u0301 \u200b zero width",
    "../../../etc/passwd; rm -rf / $(reboot) `id` %s {{ 7 * 7 }} {% raw %}",
    "tab\tline\nfeed\r\ncarriage\x0bvertical\x7f",
    "' OR 1=1 --\"\\",
    "long " * 20_000,
]


def test_hostile_text_is_text(tmp_path: Path) -> None:
    far = [{"text": text} for text in HOSTILE]
    world = write_world(tmp_path / "world", far=far, engine={"kind": "fake", "batch_tokens": 8192})
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 0
    found = package.Run(tmp_path / "run")
    assert set(HOSTILE) <= set(found.samples()["prompt"])
    scores = found.scores()
    status = scores[scores["scorer"] == "likelihood"].set_index("sample_id")["status"]
    long = found.samples().set_index("sample_id")["prompt"].str.len() > 50_000
    assert set(status[long[long].index]) == {"unscored"}  # over the fake model's context
    assert set(status[long[~long].index]) == {"ok"}


@pytest.mark.parametrize("verb", ["validate", "run"])
def test_hostile_text_does_not_act_on_the_terminal(tmp_path: Path, verb: str) -> None:
    world = write_world(
        tmp_path / "world",
        bank=[{"text": text} for text in HOSTILE[1:4]],
        near=["\x1b[5mbroken"],
        far=[{"text": f"{HOSTILE[2]}!"}],
    )
    (world.folder / "near" / "test.jsonl").write_text(
        '{"text": "fine"}\n{"text": {"\\u001b[5m": "\\u001b[5m"}}\n'
    )
    options = ["--dry-run"] if verb == "run" else []
    outcome = llmood(verb, world.config, *options)
    assert outcome.code == (1 if verb == "validate" else 0)
    shown = outcome.out + outcome.err
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e", "\x7f"}
    assert "\\x1b]0;owned\\x07" in shown
    assert "שלום" in shown
    as_json = llmood(verb, world.config, *options, "--json")
    assert as_json.out.isascii()
    assert "\x1b" in json.dumps(as_json.json(), ensure_ascii=False).encode().decode("unicode_escape")


def test_hostile_names_in_errors_do_not_act_on_the_terminal(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world")
    outcome = llmood("run", world.config, "--set", "\x1b[31m=1")
    assert outcome.code == 2
    assert "\x1b" not in outcome.err


@pytest.mark.parametrize("name", ["metrics.json", "rejects.jsonl"])  # the report reads checks.json
@pytest.mark.parametrize("content", ["garbage", "[{}]"])
def test_a_damaged_run_folder_is_one_line(tmp_path: Path, name: str, content: str) -> None:
    world = write_world(tmp_path / "world")
    run(world, tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    verb = ["rescore"] if name == "rejects.jsonl" else ["report"]
    outcome = llmood(*verb, tmp_path / "run", "--gate", "auroc >= 0")
    assert outcome.code == 1
    assert len(outcome.err.strip().splitlines()) == 1
    assert name in outcome.err
