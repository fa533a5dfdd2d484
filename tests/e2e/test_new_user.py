"""A new user's first hour: two files and a base model, four commands, no edit, a report."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import llmood as package
from tests.task_files import write_jsonl
from tests.worlds import Outcome, llmood, tree

SHOP = [{"question": f"What is item {n}?", "answer": f"No. {n}"} for n in range(150)]
DRAGONS = [{"text": f"Dragon {n} is {'red' if n % 2 else 'old'}."} for n in range(60)]


def first_hour(home: Path, *options: object) -> tuple[package.Run, list[Outcome]]:
    """`init`, and then, to the letter, the commands that it prints."""
    outcomes = [llmood("init", "mine.jsonl", *options)]
    assert outcomes[0].code == 0, outcomes[0]
    written = tree(home / "mine")
    commands = re.findall(r"^  llmood (.*)$", outcomes[0].out, flags=re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["validate", "finetune", "run"]
    for command in commands:
        outcomes.append(llmood(*shlex.split(command)))
        assert outcomes[-1].code == 0, outcomes[-1]
    # Nobody has edited anything on the way.
    assert written.items() <= tree(home / "mine").items()
    (folder,) = (home / "runs").iterdir()
    return package.Run(folder), outcomes


def auroc(run: package.Run, **wanted: Any) -> float:
    (record,) = (
        record
        for record in run.records()
        if record["metric"] == "auroc" and all(record[key] == value for key, value in wanted.items())
    )
    assert record["value"] is not None
    return float(record["value"])


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_cache")
def test_four_commands_reach_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.tiny_models import save_model

    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "base")
    write_jsonl(tmp_path / "mine.jsonl", SHOP)
    write_jsonl(tmp_path / "dragons.jsonl", DRAGONS)
    run, (_, validated, tuned, _) = first_hour(tmp_path, "--ood", "far:dragons.jsonl", "--base", "base")
    assert "to do: models.tuned" in validated.out
    assert "valid" in validated.out.splitlines()
    assert (tmp_path / "mine" / "adapters" / "mine" / "adapter_model.safetensors").is_file()
    assert "llmood run mine/config.yaml" in tuned.out
    assert run.status == "complete"
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert all(
        said in page for said in ("likelihood_ratio", "gzip_knn", "tfidf_knn", "dragons", "mine.typos")
    )
    # Even this model, which knew nothing before, has learned what a question about an item looks like.
    assert auroc(run, scorer="likelihood.mean", ood_task="dragons") > 0.9
    # What is measured wasn't learned: each row of the one file is in one split of the tuning's, and test is the run's.
    record = json.loads((tmp_path / "mine" / "adapters" / "mine" / "training.json").read_text())
    counts = record["data"][0]["samples"]
    samples = run.samples()
    measured = samples[(samples["task"] == "mine") & (samples["split"] == "test")]
    assert set(counts) == {"train", "validation", "calibration", "test"}
    assert sum(counts.values()) == len(SHOP)
    assert len(measured) == counts["test"]


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_cache")
def test_with_real_questions_and_a_real_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_data: Path, real_models: Path
) -> None:
    import gzip

    monkeypatch.chdir(tmp_path)
    for name, source, count in (("mine", "train", 750), ("others", "oos_test", 150)):
        lines = gzip.decompress((real_data / "clinc150" / f"{source}.jsonl.gz").read_bytes()).splitlines()
        step = max(1, len(lines) // count)  # the file is sorted by intent
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(lines[::step][:count]) + b"\n")
    run, _ = first_hour(
        tmp_path, "--ood", "near:others.jsonl", "--base", str(real_models / "english-5m"), "--yes"
    )
    assert run.status == "complete"
    assert (run.folder / "report.html").stat().st_size > 10_000
    ratio = auroc(run, scorer="likelihood_ratio.mean", ood_task="others")
    assert ratio > 0.6  # tuned on a twentieth of the texts behind the reference's 0.78
    assert ratio > auroc(run, scorer="random", ood_task="others")
    grades = [auroc(run, scorer="likelihood.mean", ood_task=f"mine.typos.{grade}") for grade in range(1, 6)]
    assert grades == sorted(grades)
