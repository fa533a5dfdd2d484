"""Processes that are killed while they write events, and one that may write no more."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
import pytest

from llmood.events import EventStore
from tests.deciding import events, kept

KILLS = 8
# Says which events were acknowledged, once they are.
WRITER = """
import os, sys
from pathlib import Path
from llmood.events import EventStore
from tests.deciding import events

place = int(sys.argv[2])
with EventStore(Path(sys.argv[1]), rotate_rows=40) as store:
    while True:
        store.append(events(place, place + 3))
        place += 3
        os.write(1, b"%d\\n" % place)
"""
LIMITED = """
import os, resource, sys
from pathlib import Path
from llmood.errors import StoreError
from llmood.events import EventStore
from tests.deciding import events

store = EventStore(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
place = 0
try:
    while True:
        store.append(events(place, place + 3))
        place += 3
        os.write(1, b"%d\\n" % place)
except StoreError as error:
    print(error, file=sys.stderr)
os.kill(os.getpid(), 9)
"""


def started(program: str, *arguments: object) -> Popen[bytes]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    # Unbuffered: what `readline` read ahead would be missing from what `communicate` gives.
    return Popen(command, bufsize=0, stdout=PIPE, stderr=PIPE, env={**os.environ})


@pytest.mark.slow
def test_killed_again_and_again_it_loses_no_event(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    done = 0
    for _ in range(KILLS):
        process = started(WRITER, tmp_path, done)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(float(generator.uniform(0, 0.1)))
        process.send_signal(signal.SIGKILL)
        said = (first + process.communicate()[0]).splitlines()
        acknowledged = int(said[-1])
        assert acknowledged > done
        # What the process was writing when it died may be there, all or some of it; then what is there goes on from.
        found = kept(tmp_path)
        assert acknowledged <= len(found) <= acknowledged + 3
        assert found == events(0, len(found))
        done = len(found)
    with EventStore(tmp_path) as store:
        store.append(events(done, done + 3))
    assert kept(tmp_path) == events(0, done + 3)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    out, err = started(LIMITED, tmp_path).communicate()
    acknowledged = int(out.splitlines()[-1])
    assert err.decode().count("\n") == 1
    assert "journal.jsonl: can't write: File too large" in err.decode()
    assert acknowledged > 0
    assert kept(tmp_path) == events(0, acknowledged)
    with EventStore(tmp_path) as store:  # with room again it goes on
        store.append(events(acknowledged, acknowledged + 3))
    assert kept(tmp_path) == events(0, acknowledged + 3)
