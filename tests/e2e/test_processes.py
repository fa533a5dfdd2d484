"""What only a process of its own can show: signals, pipes, locales, locks, and what goes to which stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import llmood as package
from llmood.run_folder import RunFolder
from tests.worlds import World, llmood, refused, spawn, tree, write_world

pytestmark = pytest.mark.usefixtures("fresh_cache")

# One prompt a batch; after the third the model says so, and never answers again.
STUCK = """
import time
from pathlib import Path
import llmood.run
from llmood.engines.fake import FakeEngine
honest, calls = FakeEngine.capture, []
def capture(self, spec, requests):
    calls.append(spec)
    if len(calls) == 4:
        Path("stuck").touch()
        time.sleep(600)
    return honest(self, spec, requests)
FakeEngine.capture = capture
"""
NO_REPORT = """
import llmood.run
llmood.run.write_report = lambda runs, path, **_: path.write_text("")
"""
SMALL_BATCHES = {"kind": "fake", "batch_tokens": 1}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return write_world(tmp_path / "world", engine=SMALL_BATCHES)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.usefixtures("no_report")
def test_an_interrupted_run_keeps_what_is_finished(
    world: World, tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    folder = tmp_path / "run"
    with spawn("run", world.config, "-o", folder, cwd=tmp_path, patch=STUCK) as process:
        wait_for(tmp_path / "stuck", process)
        assert package.Run(folder).status == "running"
        # Meanwhile the folder is taken.
        refused(llmood("run", world.config, "-o", folder), "another run is writing here")
        refused(llmood("rescore", folder), "another run is writing here")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err == "llmood: interrupted; the same command goes on from here\n"
    assert package.Run(folder).status == "interrupted"
    assert len(list(fresh_cache.rglob("*.parquet"))) == 1
    assert not list(fresh_cache.rglob("*.partial"))
    refused(llmood("rescore", folder), "index.parquet: is not there yet", "'llmood run' goes on")

    # The same command goes on, and ends as an undisturbed run does.
    assert llmood("run", world.config, "-o", folder).code == 0
    resumed = package.Run(folder)
    assert resumed.status == "complete"
    assert resumed.manifest["started"] <= resumed.manifest["resumed"]
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "another"))
    assert llmood("run", world.config, "-o", tmp_path / "undisturbed").code == 0
    ours, theirs = tree(folder), tree(tmp_path / "undisturbed")
    assert ours["scores.parquet"] == theirs["scores.parquet"]
    assert ours["metrics.json"] == theirs["metrics.json"]


# Where a signal comes while a library is imported, that library may take the exception for one of its own.
DEAF = """
import signal
from llmood.engines.fake import FakeEngine
honest = FakeEngine.{method}
def deaf(self, *given):
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:
        pass
    return honest(self, *given)
FakeEngine.{method} = deaf
"""


@pytest.mark.parametrize("method", ["capture", "close"])
@pytest.mark.usefixtures("no_report")
def test_an_interrupt_that_is_swallowed_still_interrupts(world: World, tmp_path: Path, method: str) -> None:
    with spawn("run", world.config, "-o", "run", cwd=tmp_path, patch=DEAF.format(method=method)) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "llmood: interrupted; the same command goes on from here\n"
    assert package.Run(tmp_path / "run").status == "interrupted"
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 0


@pytest.mark.usefixtures("no_report")
def test_two_runs_into_one_folder(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert llmood("run", world.config, "-o", folder).code == 0
    before = tree(folder)
    with RunFolder(folder).locked():
        for verb in (("run", world.config, "-o", folder), ("rescore", folder)):
            refused(llmood(*verb), "another run is writing here", "wait for it to end")
        assert llmood("run", world.config, "-o", folder, "--dry-run").code == 0  # it writes nothing
    assert tree(folder) == before
    assert llmood("rescore", folder).code == 0


def test_results_on_stdout_and_nothing_else(world: World, tmp_path: Path) -> None:
    with spawn("run", world.config, "-o", "run", "--json", cwd=tmp_path, patch=NO_REPORT) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == ""  # no bar where stderr is no terminal
    assert out.count("\n") == 1
    assert json.loads(out)["status"] == "complete"
    assert package.Run(tmp_path / "run").manifest["command"][1:] == [
        "run",
        str(world.config),
        "-o",
        "run",
        "--json",
    ]


@pytest.mark.parametrize("module", ["-m", None])
def test_a_mistake_is_one_line_without_a_traceback(world: World, tmp_path: Path, module: str | None) -> None:
    start = [sys.executable, "-m", "llmood"] if module else [str(Path(sys.executable).with_name("llmood"))]
    done = subprocess.run(
        [*start, "run", str(world.config), "--set", "scorers=[likelihod]"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("llmood: scorers[0]: no scorer 'likelihod' (did you mean 'likelihood'")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def closed_early(process: subprocess.Popen[str]) -> str:
    """Close its stdout before it wrote anything, as `| head` does to a long output, and give its stderr."""
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdout = None
    return process.communicate(timeout=60)[1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ls", "scorers"), 0),
        (("ls", "metrics", "--json"), 0),
        (("run", "CONFIG", "--dry-run"), 0),
        (("validate", "CONFIG"), 0),
        (("run", "CONFIG", "-o", "run"), 0),
        # What the exit code says doesn't hang on who reads the table.
        (("run", "CONFIG", "-o", "run", "--gate", "auroc > 2"), 3),
    ],
)
def test_a_reader_that_leaves_early(
    world: World, tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    given = [world.config if argument == "CONFIG" else argument for argument in arguments]
    with spawn(*given, cwd=tmp_path, patch=NO_REPORT) as process:
        err = closed_early(process)
    assert err == ""
    assert process.returncode == code


def test_an_output_without_room(world: World, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "llmood", "ls", "scorers"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "llmood: the output: No space left on device\n"


def test_a_closed_stdout(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"exec {sys.executable} -m llmood ls scorers >&-"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_locale_without_the_letters(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", bank=[{"text": f"Ünïcödé 😀 {i}"} for i in range(4)])
    with spawn("validate", world.config, cwd=tmp_path, PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "\\xdcn\\xefc\\xf6d\\xe9 \\U0001f600" in out


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['llmood', '--help']\nfrom llmood.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'vllm', 'pandas', 'matplotlib', 'datasets', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for verb in ("run", "rescore", "report", "ls", "validate", "cache", "doctor", "demo"):
        assert verb in done.stdout


def test_the_console_script_is_installed() -> None:
    assert os.access(Path(sys.executable).with_name("llmood"), os.X_OK)
