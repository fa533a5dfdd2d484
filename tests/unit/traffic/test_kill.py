"""A process that is killed while it scores a file: the next one neither repeats nor skips a row."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from tests.killing import kill_again_and_again
from tests.unit.traffic.stand_in import Lengths, scored, scoring

KILLS = 4
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


@pytest.mark.slow
def test_killed_again_and_again_it_writes_every_row_once(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"id": place, "text": "a" * (place % 11)} for place in range(4000)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    whole = scored(scoring(Lengths()), source, tmp_path / "whole.jsonl").path.read_bytes()
    command = [sys.executable, "-c", PROGRAM, source, target]
    kill_again_and_again(lambda: Popen(command, stdout=DEVNULL), target, KILLS, within=0.05)
    scored(scoring(Lengths()), source, target)
    assert target.read_bytes() == whole
