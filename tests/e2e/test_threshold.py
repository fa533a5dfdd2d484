"""`equivalence.threshold: validation`, through the command line: the fake engine answers, a tiny encoder reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import llmood as package
from tests.encoders import save_encoder
from tests.worlds import World, llmood, no_model_runs, refused, write_world

SAME = ("scores.parquet", "correctness.parquet", "metrics.json", "checks.json")
RULE = {"rule": "embedding", "threshold": "validation"}


def rows(kind: str, count: int, *answers: str) -> list[dict[str, Any]]:
    return [
        {"text": f"{kind} card {place} for travel", "answers": list(answers or ("yes", "seven"))}
        for place in range(count)
    ]


@pytest.fixture
def world(tmp_path: Path, fresh_cache: Path, no_report: None) -> World:
    return write_world(
        tmp_path / "world",
        {"train": rows("shown", 6), "validation": rows("held", 24), "test": rows("bank", 12)},
        rows("near", 8),
        None,
        task={"fields": {"references": "answers"}},
        scorers=["semantic_entropy.discrete", "likelihood.response"],
        generations={"n": 4},
        equivalence=RULE,
    )


def with_encoder(world: World, tmp_path: Path) -> World:
    encoder = save_encoder(tmp_path / "encoder")
    return world.edit(
        models={"base": "fake", "tuned": "fake-tuned:bank card travel", "encoder": str(encoder)}
    )


def run(world: World, folder: Path, *options: object) -> package.Run:
    outcome = llmood("run", world.config, "-o", folder, *options)
    assert outcome.code == 0, outcome
    return package.Run(folder)


def scores(made: package.Run) -> list[dict[str, Any]]:
    table = pq.read_table(made.folder / "scores.parquet").to_pylist()
    return [row for row in table if row["scorer"] == "semantic_entropy.discrete"]


@pytest.mark.slow
def test_it_is_chosen_written_down_and_repeated(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(with_encoder(world, tmp_path), tmp_path / "run")
    chosen = made.manifest["threshold"]
    value = chosen["value"]
    assert chosen["auroc"][f"{value:g}"] == max(chosen["auroc"].values())
    assert len(set(chosen["auroc"].values())) > 1
    assert chosen["right"] > 0 < chosen["wrong"]
    assert {row["definition"] for row in scores(made)} == {
        f"equivalence: rule=embedding, threshold={value}, chosen_on=validation, question=False"
    }
    (capture,) = (name for name in made.manifest["captures"] if name.startswith("equivalence"))
    assert f"threshold={value}" in capture
    fixed = run(world, tmp_path / "fixed", "--set", f"equivalence.threshold={value}")
    assert [row["score"] for row in scores(fixed)] == [row["score"] for row in scores(made)]
    assert fixed.manifest["threshold"] is None
    path = world.folder / "bank" / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows("bank", 12, "no")), encoding="utf-8")
    assert run(world, tmp_path / "other").manifest["threshold"] == chosen
    no_model_runs(monkeypatch)
    before = {name: (made.folder / name).read_bytes() for name in SAME}
    assert llmood("rescore", made.folder).code == 0
    assert {name: (made.folder / name).read_bytes() for name in SAME} == before
    assert package.Run(made.folder).manifest["threshold"] == chosen


@pytest.mark.slow
def test_what_it_needs_is_said_before_a_model_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ["run", with_encoder(world, tmp_path).config, "-o", tmp_path / "run"]
    no_model_runs(monkeypatch)
    refused(
        llmood(*made, "--set", "correctness=none"), "equivalence.threshold: validation", "judges none", "0.8"
    )
    refused(llmood(*made, "--shard", "0/2"), "equivalence.threshold: validation", "no shard has them")
    refused(llmood(*made, "--set", "scorers=[token_sar]"), "no scorer compares any", "threshold: 0.8")


@pytest.mark.slow
def test_one_kind_of_answers_is_one_line(world: World, tmp_path: Path) -> None:
    path = world.folder / "bank" / "validation.jsonl"
    wrong = [{**row, "answers": ["nobody would say that"]} for row in rows("held", 24)]
    path.write_text("".join(json.dumps(row) + "\n" for row in wrong), encoding="utf-8")
    outcome = llmood("run", with_encoder(world, tmp_path).config, "-o", tmp_path / "run")
    refused(outcome, "equivalence.threshold: validation", "0 are right and", "threshold: 0.8")


@pytest.mark.parametrize("value", ["0", "1.5", "test", "true"])
def test_another_word_is_no_threshold(world: World, tmp_path: Path, value: str) -> None:
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--set", f"equivalence.threshold={value}")
    refused(outcome, "equivalence.threshold", "or 'validation', is needed")
