"""A guard in a process of its own, as an operator runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.record import Skip

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds until it must take questions


@dataclass(frozen=True)
class Guarded:
    """A guard that takes questions."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def guarding(detector: Path, folder: Path, *options: str) -> Iterator[Guarded]:
    """`llmood serve` on a free port, its events and its log in `folder`, as long as the block lasts."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    log = folder / "guard.log"
    command = [sys.executable, "-m", "llmood", "serve", str(detector), "--port", "0"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--events", str(folder / "events"), *options],
            stdout=stream,
            stderr=stream,
            env=os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        )
    try:
        yield Guarded(_url_of(process, log), process)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _url_of(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        first, end, _ = log.read_text(encoding="utf-8").partition("\n")
        url = json.loads(first)["url"] if end and first.startswith("{") else None  # else it says why it ended
        if url is not None and _is_ready(url):
            return str(url)
        time.sleep(0.1)
    said = log.read_text(encoding="utf-8").splitlines() or ["it said nothing"]
    raise Skip(f"the guard takes no questions: {said[-1]}")


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 - of loopback
            return bool(answer.status == 200)
    except (URLError, TimeoutError):
        return False
