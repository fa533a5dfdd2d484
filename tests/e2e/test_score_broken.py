"""What can go wrong while `llmood score` works: bad rows, mistakes, a full disk, kills. No row is lost or doubled."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.killing import kill_again_and_again
from tests.traffic_rows import AWAY, HOME, fit_two, jsonl, rows_of
from tests.worlds import LLMOOD, Outcome, llmood, no_model_runs, refused, spawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit_two(tmp_path_factory.mktemp("detectors"))


@pytest.fixture
def detector(folder: Path, fresh_cache: Path) -> Path:
    return folder / "detector"


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


def test_reasons_hold_no_word_of_a_record(detector: Path, tmp_path: Path) -> None:
    rows = [
        {"text": ["a secret"]},
        {"text": {"secret's": "secret"}},
        {"messages": [{"role": "secret", "content": "secret"}]},
        {"my secret is said": 1},
    ]
    output = tmp_path / "out.jsonl"
    done = llmood(
        "score", detector, jsonl(tmp_path / "in.jsonl", rows), "-o", output, "--summary", tmp_path / "s"
    )
    assert done.code == 1
    for text in (done.err, output.read_text(encoding="utf-8"), (tmp_path / "s").read_text(encoding="utf-8")):
        assert "wrong type: a list, where text is needed" in text
        assert "secret" not in text
    deep = b'{"text": "a", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    (tmp_path / "odd.jsonl").write_bytes(deep + b'\n{"text": "a", "n": ' + b"1" * 5000 + b"}")
    done = llmood("score", detector, tmp_path / "odd.jsonl")
    found = [row["reason"] for row in rows_of(done.out)]
    assert found[0] == "bad JSON: too many brackets inside one another"
    assert "sys." not in found[1]


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
    refused(score("--summary", source), "is the input itself")
    refused(
        score("-o", tmp_path / "out.jsonl", "--summary", tmp_path / "." / "out.jsonl"), "is the output itself"
    )
    refused(score("--summary", detector / "card.md"), "in the detector's folder")
    refused(score("--summary", tmp_path), "is no file")
    (tmp_path / "in.csv").write_text("id;text\n1;a, b\n2;c\n", encoding="utf-8")
    refused(score(file=tmp_path / "in.csv"), "its header is one column", "--delimiter ';'")
    named = score("--keep", "txet", "--delimiter", ";", file=tmp_path / "in.csv")
    refused(named, "no column 'txet'", "did you mean 'text'")
    assert score("--chunk", 10**20).code == 2
    (tmp_path / "folder.csv").mkdir()
    refused(score("-o", tmp_path / "folder.csv", "--overwrite"), "is no file")
    os.mkfifo(tmp_path / "pipe.jsonl")  # a first look at it would take rows away
    refused(score(file=tmp_path / "pipe.jsonl"), "is no file", "'-' reads JSONL from stdin")
    (tmp_path / "out.jsonl").write_text("mine", encoding="utf-8")
    refused(score("-o", tmp_path / "out.jsonl"), "is there already", "--overwrite")
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == "mine"


def test_closed_streams_are_said(folder: Path, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", HOME)
    for command, words in (
        ("- <&-", "stdin is closed"),
        (f"{source} >&-", "stdout is closed"),
    ):
        line = f"{shlex.quote(LLMOOD)} score {folder / 'cheap'} {command}"
        done = subprocess.run(["sh", "-c", line], check=False, capture_output=True, text=True)
        refused(Outcome(done.returncode, done.stdout, done.stderr), words)


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


@pytest.mark.slow
def test_killed_again_and_again_it_neither_repeats_nor_skips_a_row(folder: Path, tmp_path: Path) -> None:
    source = jsonl(
        tmp_path / "in.jsonl", [{"id": i, "text": f"card {i} of town {i % 7}"} for i in range(400)]
    )
    command = ("score", folder / "cheap", source, "--chunk", 10, "-o")
    assert llmood(*command, tmp_path / "whole.jsonl").code == 0
    slow = """
import time
from llmood.traffic.scoring import Scoring
honest = Scoring.score
def score(self, rows):
    time.sleep(0.03)
    return honest(self, rows)
Scoring.score = score
"""
    kill_again_and_again(
        lambda: spawn(*command, tmp_path / "out.jsonl", cwd=tmp_path, patch=slow),
        tmp_path / "out.jsonl",
        3,
        within=0.06,
    )
    refused(llmood("score", folder / "detector", source, "-o", tmp_path / "out.jsonl"), "another detector")
    ends = llmood(*command, tmp_path / "out.jsonl", "--json")
    assert ends.json()["rows"] == 400
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
