"""`llmood report --traffic` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llmood.events import EventStore
from tests.guarding import store, traffic
from tests.worlds import llmood

MEASURED = """
import sys
from pathlib import Path
from llmood.traffic_report import write_traffic_report

write_traffic_report(Path(sys.argv[1]))
# Not ru_maxrss: a process has that of the one that started it.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return store(tmp_path / "events", traffic(300, away=0.3))


def test_a_page_and_numbers(events: Path, tmp_path: Path) -> None:
    outcome = llmood("report", "--traffic", events, "-o", tmp_path / "out")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == str(tmp_path / "out" / "report.html")
    assert "bank (01234567), 300 decisions: 300 ok" in outcome.out
    assert "more than of questions like the calibration rows" in outcome.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.html", "traffic_metrics.json"}


def test_beside_the_events_by_default_and_a_guard_goes_on(events: Path) -> None:
    with EventStore(events) as guard:
        assert llmood("report", "--traffic", events).code == 0
        guard.append(list(traffic(5, first=300)))
    assert (events / "report.html").exists()
    outcome = llmood("report", "--traffic", events, "--json")
    found = json.loads(outcome.out)
    assert found["detectors"][0]["rows"] == 305
    assert found["metrics"] == json.loads((events / "traffic_metrics.json").read_text())


def test_gates(events: Path) -> None:
    assert llmood("report", "--traffic", events, "--gate", "flag_rate <= 0.9").code == 0
    assert llmood("report", "--traffic", events, "--gate", "latency_p99 <= 1").code == 0
    missed = llmood("report", "--traffic", events, "--gate", "flag_rate <= 0.1")
    assert missed.code == 3
    unknown = llmood("report", "--traffic", events, "--gate", "latency_p98 <= 1")
    assert unknown.code == 2
    assert "no metric 'latency_p98'" in unknown.err


def test_mistakes_are_one_line(events: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    EventStore(tmp_path / "new").close()
    damaged = store(tmp_path / "damaged", traffic(50))
    content = bytearray((damaged / "000001.parquet").read_bytes())
    content[len(content) // 3] ^= 1
    (damaged / "000001.parquet").write_bytes(bytes(content))
    for arguments, said in (
        (["--traffic", tmp_path / "none"], "none: is no folder (name the folder that"),
        (["--traffic", tmp_path / "empty"], "empty: holds no events (name the folder that"),
        (["--traffic", tmp_path / "new"], "new: holds no decisions yet"),
        (["--traffic", damaged], "000001.parquet: its content is not what was written"),
        (["--traffic", events, tmp_path], "--traffic: is not for"),
        (["--traffic", events, "--model-card"], "--traffic: is not for --model-card"),
        ([], "nothing to tell of (name a run's folder, or --traffic EVENTS)"),
    ):
        outcome = llmood("report", *arguments)
        assert outcome.code == 2
        assert said in outcome.err
        assert (
            outcome.err.splitlines()[-1].startswith(("error: ", "Error: "))
            or said in outcome.err.splitlines()[-1]
        )
        assert "Traceback" not in outcome.err


@pytest.mark.slow
def test_memory_does_not_grow_with_the_store(tmp_path: Path) -> None:
    used = []
    for count in (20_000, 80_000):
        folder = store(tmp_path / str(count), traffic(count))
        program = [sys.executable, "-c", MEASURED, str(folder)]
        used.append(int(subprocess.run(program, capture_output=True, check=True, text=True).stdout))
    assert used[1] - used[0] < 60_000  # kB
