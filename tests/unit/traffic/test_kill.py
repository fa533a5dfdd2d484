"""A process that is killed while it scores a file: the next one neither repeats nor skips a row."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from subprocess import DEVNULL, Popen

import numpy as np

from tests.unit.traffic.stand_in import Lengths, scored, scoring

KILLS = 6
PROGRAM = """
import sys, time
from pathlib import Path
from tests.unit.traffic.stand_in import Lengths, scored, scoring

class Slow(Lengths):
    def chunks(self, records, **settings):
        time.sleep(0.002)
        return super().chunks(records, **settings)

scored(scoring(Slow()), Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_killed_again_and_again_it_writes_every_row_once(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"id": place, "text": "a" * (place % 11)} for place in range(4000)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    whole = scored(scoring(Lengths()), source, tmp_path / "whole.jsonl").path.read_bytes()
    state = tmp_path / ".out.jsonl.partial.json"
    generator = np.random.default_rng(0)
    done = [0]
    for _ in range(KILLS):
        process = Popen([sys.executable, "-c", PROGRAM, source, target], stdout=DEVNULL, env={**os.environ})
        before = done[-1]
        while process.poll() is None and rows_in(state) <= before:
            time.sleep(0.005)
        time.sleep(float(generator.uniform(0, 0.05)))
        assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not target.exists()
        done.append(rows_in(state))
    assert all(np.diff(done) > 0)
    scored(scoring(Lengths()), source, target)
    assert target.read_bytes() == whole


def rows_in(state: Path) -> int:
    return int(json.loads(state.read_text(encoding="utf-8"))["rows"]) if state.exists() else 0
