"""`llmood score` as a user calls it, with a detector that `llmood fit` made."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.traffic.words import TITLES
from tests.traffic_rows import AWAY, HOME, fit_two, jsonl, rows_of
from tests.worlds import llmood, refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit_two(tmp_path_factory.mktemp("detectors"))


@pytest.fixture
def detector(folder: Path, fresh_cache: Path) -> Path:
    return folder / "detector"


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
