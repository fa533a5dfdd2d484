"""Processes that are killed in the midst of their work: a scoring again and again, a training once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np

# Killed in the ninth pass of a training, which keeps what it has after every step.
NINTH_PASS = """
import os, signal
import llmood.training.loop as loop
from llmood.training.models.lora import LoraModel
loop.CHECKPOINT_SECONDS = 0.0
honest, taken = LoraModel._gradients, []
def gradients(self, rows):
    taken.append(1)
    if len(taken) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return honest(self, rows)
LoraModel._gradients = gradients
"""


def kill_again_and_again(
    start: Callable[[], AbstractContextManager[Popen[Any]]], target: Path, kills: int, *, within: float
) -> None:
    """Kill a scoring so often, each time some time after it has come farther than the one before.

    Args:
        start: begins it, in a process of its own.
        target: the file that it would write in the end; it never gets that far.
        within: seconds after a step forward in which a kill strikes.
    """
    state = target.with_name(f".{target.name}.partial.json")
    generator = np.random.default_rng(0)
    done = [0]
    for _ in range(kills):
        with start() as process:
            while process.poll() is None and _rows_in(state) <= done[-1]:
                time.sleep(0.005)
            time.sleep(float(generator.uniform(0, within)))
            assert process.poll() is None, "it ended before it was killed"
            process.kill()
            process.wait()
        assert not target.exists()
        done.append(_rows_in(state))
    assert all(np.diff(done) > 0)


def _rows_in(state: Path) -> int:
    return int(json.loads(state.read_text(encoding="utf-8"))["rows"]) if state.exists() else 0
