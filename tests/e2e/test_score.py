"""`llmood score` as a user calls it, with a detector that `llmood fit` made."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.traffic.words import TITLES
from tests.detecting import detecting_world
from tests.worlds import Outcome, llmood, no_model_runs, refused, spawn

HOME = [{"id": f"h{i}", "text": f"a bank card number {i} of mine in travel"} for i in range(200, 260)]
AWAY = [{"id": f"a{i}", "text": f"zyx {i} qqq vvv www"} for i in range(30)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("detectors")
    world = detecting_world(made / "world")
    assert llmood("fit", world.config, "-o", made / "detector").code == 0
    assert llmood("fit", world.config, "-o", made / "cheap", "--scorer", "tfidf_knn").code == 0
    return made


@pytest.fixture
def detector(folder: Path, fresh_cache: Path) -> Path:
    return folder / "detector"


def jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def metric(summary: dict[str, Any], name: str, question: str = "traffic") -> dict[str, Any]:
    (found,) = [r for r in summary["metrics"] if (r["metric"], r["question"]) == (name, question)]
    return dict(found)


def test_rows_are_the_detectors_verdicts_in_order(detector: Path, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", [*HOME, *AWAY])
    done = llmood("score", detector, source)
    assert done.code == 0, done.err
    rows = rows_of(done.out)
    assert [row["id"] for row in rows] == [record["id"] for record in (*HOME, *AWAY)]
    expected = package.load_detector(detector).score([*HOME, *AWAY])
    for name in ("score", "p_value", "flag", "status", "likelihood_ratio"):
        assert [row[name] for row in rows] == expected[name].tolist()
    assert "90 rows: 90 ok" in done.err
    assert "what it says" in done.err
    assert "text" not in rows[0]  # no words come out, unless they are asked for


def test_every_input_and_output_says_the_same(detector: Path, tmp_path: Path) -> None:
    records = [*HOME[:20], *AWAY[:5]]
    jsonl(tmp_path / "in.jsonl", records)
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "in.parquet")
    for name, mark in (("in.csv", ","), ("semicolon.csv", ";")):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["id", "text"], delimiter=mark)
            writer.writeheader()
            writer.writerows(records)
    (tmp_path / "noname").write_bytes((tmp_path / "in.jsonl").read_bytes())
    first = rows_of(llmood("score", detector, tmp_path / "in.jsonl").out)
    for name, options in (
        ("in.parquet", []),
        ("in.csv", []),
        ("semicolon.csv", ["--delimiter", ";"]),
        ("noname", ["--format", "jsonl"]),
    ):
        output = tmp_path / f"{name}.out.parquet"
        assert llmood("score", detector, tmp_path / name, "-o", output, *options).code == 0
        found = pq.read_table(output).to_pylist()
        assert [(row["id"], row["score"]) for row in found] == [(row["id"], row["score"]) for row in first]
    refused(llmood("score", detector, tmp_path / "semicolon.csv"), "--delimiter ';'")
    refused(llmood("score", detector, tmp_path / "noname"), "unknown format")


def test_the_summary_tells_drift_batches_and_labels(detector: Path, tmp_path: Path) -> None:
    rows = [{**row, "right": True, "strange": "no"} for row in HOME]
    rows += [{**row, "right": False, "strange": "yes"} for row in AWAY] + [{"text": "my bank card"}]
    source = jsonl(tmp_path / "in.jsonl", rows)
    told = tmp_path / "told.json"
    options = ["--batch", 30, "--correct", "right", "--ood", "strange", "--summary", told, "--json"]
    done = llmood("score", detector, source, "-o", tmp_path / "out.csv", *options)
    assert done.code == 0, done.err
    summary = done.json()
    assert json.loads(told.read_text(encoding="utf-8")) == summary
    assert (summary["rows"], summary["ok"]) == (91, 91)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        scored = list(csv.DictReader(stream))
    flags = [row["flag"] == "True" for row in scored]
    assert metric(summary, "flag_rate")["value"] == pytest.approx(np.mean(flags))
    assert metric(summary, "accuracy_of_all")["value"] == pytest.approx(60 / 90)
    unflagged = [row for row in scored if row["flag"] == "False" and row["correct"]]
    assert metric(summary, "accuracy_unflagged")["value"] == pytest.approx(
        np.mean([row["correct"] == "True" for row in unflagged])
    )
    assert metric(summary, "coverage")["value"] == pytest.approx(len(unflagged) / 90)
    assert metric(summary, "detection_rate")["value"] == np.mean(
        [row["flag"] == "True" for row in scored[60:90]]
    )
    scores = np.array([float(row["score"]) for row in scored[:90]])
    beaten = (scores[60:, None] > scores[:60]).mean() + (scores[60:, None] == scores[:60]).mean() / 2
    assert metric(summary, "auroc", "ood_detection")["value"] == pytest.approx(beaten)
    assert metric(summary, "auroc", "error_detection")["value"] == pytest.approx(beaten)
    assert metric(summary, "aurc", "error_detection")["params"]["curve"][-1]["coverage"] == 1.0
    assert metric(summary, "flagged_batches")["n"] == 4
    assert metric(summary, "drift_ks_p")["value"] < 0.01
    assert {record["metric"] for record in summary["metrics"] if record["question"] == "traffic"} == set(
        TITLES
    ) - {"answered_share"}


def test_gates_end_in_3_and_failed_rows_in_1(detector: Path, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", HOME)
    assert llmood("score", detector, source, "--gate", "flag_rate <= 0.9").code == 0
    assert llmood("score", detector, source, "--gate", "flag_rate > 0.9").code == 3
    mixed = jsonl(tmp_path / "mixed.jsonl", [*HOME, {"text": 3}, {"text": None}, {"other": "x"}, 7])
    done = llmood("score", detector, mixed, "--gate", "flag_rate > 0.9")
    assert done.code == 1
    assert "4 failed" in done.err
    assert len(rows_of(done.out)) == len(HOME) + 4
    refused(llmood("score", detector, source, "--gate", "flag_rat <= 0.9"), "flag_rat", "did you mean")


def test_a_stream_is_answered_row_by_row(detector: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from llmood.cli import main; main()",
        "score",
        detector,
        "-",
        "--chunk",
        "1",
    ]
    with Popen(
        list(map(str, command)), stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for record in HOME[:3]:
            process.stdin.write(json.dumps(record) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == record["id"]
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert "3 rows: 3 ok" in err


def test_rows_that_cannot_be_read_keep_their_places(detector: Path, tmp_path: Path) -> None:
    lines = [
        json.dumps(HOME[0]).encode(),
        b"no json",
        b'{"text": "nul \\u0000"}',
        b'{"text": "\\ud800 half"}',
        b'{"text": "' + b"x" * 10_000_000 + b'"}',
        b'{"text": "\xff"}',
        json.dumps(HOME[0]).encode(),  # the same id and text again
    ]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    done = llmood("score", detector, path, "-o", tmp_path / "out.jsonl", "--keep", "text")
    assert done.code == 1
    rows = rows_of((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert [row["status"] for row in rows] == ["ok", *["failed"] * 5, "ok"]
    assert all(row["reason"] for row in rows[1:-1])
    assert rows[0]["score"] == rows[-1]["score"]
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    done = llmood("score", detector, empty, "-o", tmp_path / "empty.csv")
    assert done.code == 0
    assert "0 rows: none" in done.err
    assert (tmp_path / "empty.csv").read_text(encoding="utf-8").startswith("row,line,id,score")


def test_mistakes_before_any_model_loads(
    folder: Path, detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_model_runs(monkeypatch)
    source = jsonl(tmp_path / "in.jsonl", HOME)

    def score(*options: object, file: object = source, using: Path = detector) -> Outcome:
        return llmood("score", using, file, *options)

    refused(score(using=tmp_path), "holds no detector", "llmood fit")
    refused(score(file=tmp_path / "none.jsonl"), "no such file")
    refused(score("--json"), "-o FILE")
    refused(score("-o", tmp_path / "out.jsonl", file="-"), "can't be resumed")
    refused(score("-o", tmp_path / "out.txt"), "unknown format")
    refused(score("-o", source), "is the input itself")
    refused(score("--keep", "score"), "--keep score")
    refused(score("--correct", "right"), "--correct right", "has that column")
    refused(score("--delimiter", ";;"), "one character")
    refused(score("--model", "base"), "ROLE=FOLDER")
    (tmp_path / "out.jsonl").write_text("mine", encoding="utf-8")
    refused(score("-o", tmp_path / "out.jsonl"), "is there already", "--overwrite")
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == "mine"


def test_a_tampered_detector_scores_nothing(folder: Path, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", HOME)
    for name in ("detector.json", "calibration.safetensors", "card.md"):
        copy = tmp_path / name.replace(".", "-")
        shutil.copytree(folder / "cheap", copy)
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[:-20] + b" " + content[-19:])
        done = llmood("score", copy, source)
        assert done.code in (1, 2)
        assert done.out == ""
        assert "is damaged or was changed" in done.err


def test_a_full_disk_keeps_what_is_scored(
    detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = jsonl(tmp_path / "in.jsonl", [*HOME, *AWAY])
    whole = llmood("score", detector, source, "-o", tmp_path / "whole.jsonl")
    assert whole.code == 0
    honest, synced = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal synced
        synced += str(Path(f"/proc/self/fd/{descriptor}").readlink()).endswith("out.jsonl.partial")
        if synced > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        honest(descriptor)

    command = ("score", detector, source, "-o", tmp_path / "out.jsonl", "--chunk", 20)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        full = llmood(*command)
    assert (full.code, full.out) == (1, "")
    assert "No space left on device" in full.err
    assert not (tmp_path / "out.jsonl").exists()
    assert json.loads((tmp_path / ".out.jsonl.partial.json").read_text(encoding="utf-8"))["rows"] == 40
    assert llmood(*command).code == 0
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not list(tmp_path.glob(".out*"))


def test_killed_again_and_again_it_neither_repeats_nor_skips_a_row(folder: Path, tmp_path: Path) -> None:
    source = jsonl(
        tmp_path / "in.jsonl", [{"id": i, "text": f"card {i} of town {i % 7}"} for i in range(400)]
    )
    command = ("score", folder / "cheap", source, "--chunk", 10, "-o")
    assert llmood(*command, tmp_path / "whole.jsonl").code == 0
    state = tmp_path / ".out.jsonl.partial.json"
    slow = """
import time
from llmood.traffic.scoring import Scoring
honest = Scoring.score
def score(self, rows):
    time.sleep(0.03)
    return honest(self, rows)
Scoring.score = score
"""
    generator, done = np.random.default_rng(0), [0]
    for _ in range(3):
        with spawn(*command, tmp_path / "out.jsonl", cwd=tmp_path, patch=slow) as process:
            while process.poll() is None and rows_in(state) <= done[-1]:
                time.sleep(0.005)
            time.sleep(float(generator.uniform(0, 0.06)))
            assert process.poll() is None, "it ended before it was killed"
            process.kill()
        assert not (tmp_path / "out.jsonl").exists()
        done.append(rows_in(state))
    assert all(np.diff(done) > 0)
    refused(llmood("score", folder / "detector", source, "-o", tmp_path / "out.jsonl"), "another detector")
    ends = llmood(*command, tmp_path / "out.jsonl", "--json")
    assert ends.json()["rows"] == 400
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def rows_in(state: Path) -> int:
    return int(json.loads(state.read_text(encoding="utf-8"))["rows"]) if state.exists() else 0
