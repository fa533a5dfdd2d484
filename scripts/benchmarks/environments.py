"""Environments that only the benchmarks need, with pinned peers; made in build/bench when they are first asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import Skip

FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench"
# torch, transformers and peft as in requirements/cpu.lock where the peer takes them: they do the arithmetic.
PINS: dict[str, Sequence[str]] = {
    "lm-eval": (
        "lm-eval==0.4.13",
        "torch==2.13.0",
        "transformers==5.19.0",
        "peft==0.21.2",
        "accelerate==1.15.0",
    ),
    "lm-polygraph": ("lm-polygraph==0.7.0", "torch==2.13.0"),
}


def python_of(name: str) -> Path:
    """The Python of a peer's environment.

    Raises:
        Skip: it isn't there and can't be made.
    """
    folder = FOLDER / name
    python, stamp = folder / "bin" / "python", folder / "pins.txt"
    pins = "\n".join(PINS[name])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == pins:
        return python
    print(f"bench: installing {name} into {folder} (some minutes)", file=sys.stderr)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [*pip, *PINS[name]]):
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode:
            said = (finished.stderr.strip() or finished.stdout.strip() or "no word").splitlines()[-1]
            raise Skip(f"{name} can't be installed: {said}")
    stamp.write_text(pins, encoding="utf-8")
    return python


def version_of(name: str) -> str:
    """The pinned version of a peer."""
    return PINS[name][0].partition("==")[2]
