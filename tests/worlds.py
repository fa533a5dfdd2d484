"""A whole small evaluation on disk, for the fake engine, and the command line called as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.task_files import Rows, write_task

LLMOOD = str(Path(sys.executable).with_name("llmood"))

BANK = [{"text": f"my bank card number {i} for travel", "label": f"intent{i % 3}"} for i in range(24)]
WEATHER = [{"text": f"the weather of town {i} today"} for i in range(20)]
LETTERS = [{"text": f"zyx {i} qqq vvv www"} for i in range(16)]


@dataclass(frozen=True)
class World:
    """A configuration beside its tasks: `bank` is ID, the others are OOD."""

    folder: Path
    config: Path

    def settings(self) -> dict[str, Any]:
        """The configuration as a mapping, its tasks named by absolute paths."""
        data = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        benchmark = data["benchmark"]
        benchmark["id"] = str(self.folder / benchmark["id"])
        for ood in benchmark["ood"]:
            ood["task"] = str(self.folder / ood["task"])
        return dict(data)

    def edit(self, **keys: Any) -> World:
        """The same world with other keys in its configuration file."""
        data = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        self.config.write_text(yaml.safe_dump({**data, **keys}), encoding="utf-8")
        return self


def write_world(
    folder: Path,
    bank: Rows | Mapping[str, Rows] = BANK,
    near: Rows | None = WEATHER,
    far: Rows | None = LETTERS,
    task: Mapping[str, Any] | None = None,
    **config: Any,
) -> World:
    """A world under `folder`.

    Args:
        bank, near, far: rows of each task's test split (or rows by split); None leaves an OOD task out.
        task: further keys of every task's YAML.
        config: keys of the configuration.
    """
    kept = {name: rows for name, rows in {"bank": bank, "near": near, "far": far}.items() if rows is not None}
    for name, rows in kept.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        splits = rows if isinstance(rows, Mapping) else {"test": rows}
        write_task(folder / name, splits, name=name, **(task or {}))
    data = {
        "benchmark": {
            "name": "small",
            "id": "bank/t.yaml",
            "ood": [{"task": f"{name}/t.yaml", "shift": name} for name in kept if name != "bank"],
        },
        "models": {"base": "fake", "tuned": "fake-tuned:bank card travel"},
        "engine": {"kind": "fake"},
        "scorers": ["likelihood_ratio", "likelihood"],
        "bootstrap": {"draws": 100},
        **config,
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return World(folder, path)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What `--json` printed: all of stdout is one JSON value."""
        return json.loads(self.out)


def llmood(*arguments: object) -> Outcome:
    """Call the command line in this process; an exception that it doesn't turn into an exit code fails the test."""
    from llmood.cli.app import app

    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def refused(outcome: Outcome, *words: str) -> None:
    """A user's mistake: exit 2, one line on stderr that holds these words, nothing on stdout."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("llmood: ")
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err


@contextmanager
def spawn(
    *arguments: object, cwd: Path, patch: str = "", **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """The command line in a process of its own; `patch` is Python that runs before it."""
    code = f"import sys\n{patch}\nfrom llmood.cli import main\nmain()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs write an empty page: its figures take longer than all that most tests look at."""

    def write_report(runs: Sequence[Path], path: Path, *, status: str | None = None) -> None:
        path.write_text("<html></html>", encoding="utf-8")

    monkeypatch.setattr("llmood.rescoring.write_report", write_report)
    monkeypatch.setattr("llmood.run.write_report", write_report)
    monkeypatch.setattr("llmood.report.write_report", write_report)


def no_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the fake engine to capture fails the test."""
    from llmood.engines.fake import FakeEngine

    def capture(*_: object) -> None:
        raise AssertionError("a model was run")

    monkeypatch.setattr(FakeEngine, "capture", capture)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
