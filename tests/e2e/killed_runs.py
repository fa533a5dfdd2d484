"""A program for `test_kill`: runs a configuration once undisturbed, then again and again, each time killed.

Each run is a process of its own, forked from this one, which has only imported: that saves ten imports of torch.
A run tells through a pipe where it is, so that a kill strikes in the midst of it on any machine.

Arguments: configuration, folder, seed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft  # noqa: F401 - imported once, for all
import transformers

import llmood.engines.models.causal_lm
import llmood.engines.observe
import llmood.run
from llmood.engines.store import Store
from llmood.engines.transformers import TransformersEngine

KILLS_WHILE_CAPTURING = 8
BATCH, RESULTS, REPORT = b"b", b"r", b"p"
transformers.logging.set_verbosity_error()


def start(config: Path, output: Path, store: Path) -> tuple[int, int]:
    """A run in a process of its own: its id, and where to hear from it."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        status = 1
        try:
            os.environ["LLMOOD_CACHE"] = str(store)
            _tell(writer)
            run = llmood.run.evaluate(config, output_dir=output)
            status = 0 if run.status == "complete" else 2
        finally:
            os._exit(status)
    os.close(writer)
    return process, reader


def _tell(writer: int) -> None:
    """Say through the pipe when a batch, the results and the report begin, and write small shards."""
    llmood.engines.observe.SHARD_ROWS = 12

    def telling(event: bytes, function: Callable[..., Any]) -> Callable[..., Any]:
        def told(*args: Any, **kwargs: Any) -> Any:
            os.write(writer, event)
            return function(*args, **kwargs)

        return told

    TransformersEngine.capture = telling(BATCH, TransformersEngine.capture)  # type: ignore[method-assign]
    llmood.run.write_results = telling(RESULTS, llmood.run.write_results)
    llmood.run.write_report = telling(REPORT, llmood.run.write_report)


def to_the_end(process: int, reader: int) -> int:
    """Wait for a run, and say how many batches it ran."""
    told = b""
    while part := os.read(reader, 4096):
        told += part
    os.close(reader)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return told.count(BATCH)


def kill(process: int, reader: int, event: bytes, count: int, delay: float) -> None:
    """Kill a run some time after it told an event for that many times."""
    while count:
        told = os.read(reader, 1)
        assert told, "the run ended before it was killed"
        count -= told == event
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    os.close(reader)
    assert os.WIFSIGNALED(status), "the run ended before it was killed"


def main(config: Path, folder: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    total = to_the_end(*start(config, folder / "whole", folder / "whole-store"))
    run, store = folder / "killed", folder / "killed-store"
    kills = [(BATCH, int(generator.integers(1, total // 8))) for _ in range(KILLS_WHILE_CAPTURING)]
    rows = []
    for event, count in [*kills, (RESULTS, 1), (REPORT, 1)]:
        kill(*start(config, run, store), event, count, float(generator.uniform(0, 0.03)))
        rows.append(len(list(Store(store / "observations").shards())))
        status = json.loads((run / "run.json").read_text())["status"]
        assert status == "running" or event == REPORT, status
    left = to_the_end(*start(config, run, store))
    damaged = [reason for _, reason in Store(store / "observations").broken() if "killed" not in reason]
    print(
        json.dumps({"batches": total, "kills": len(rows), "shards": rows, "left": left, "damaged": damaged})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
