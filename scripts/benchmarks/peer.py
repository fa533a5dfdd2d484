"""A peer in a process and an environment of its own, asked for one pass at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from benchmarks.record import Skip

SCRIPTS = Path(__file__).resolve().parent / "peers"
ROOT = SCRIPTS.parents[1].parent
MARK = "bench-peer: "


class Peer:
    """`peers/<script>.py`, started with a task as JSON, loaded when this returns.

    It says `ready` on its output, then answers each line of its input with what a pass gave and the seconds it took.
    """

    def __init__(
        self,
        python: Path,
        script: str,
        task: Mapping[str, Any],
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close()
        surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._process = subprocess.Popen(
            [str(python), str(SCRIPTS / f"{script}.py"), json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=surroundings | offline | dict(environment or {}),
        )
        self._input: Any = self._process.stdin
        self._output: Any = self._process.stdout
        try:
            self._answer()
        except Skip:
            self.close()
            raise

    @classmethod
    def of_llmood(cls, script: str, task: Mapping[str, Any]) -> Self:
        """One in this environment, which imports llmood from here."""
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        return cls(Path(sys.executable), script, task, environment={"PYTHONPATH": path})

    def run(self) -> dict[str, Any]:
        """One pass: `seconds`, and what the script gives.

        Raises:
            Skip: the peer broke down.
        """
        with suppress(BrokenPipeError):  # what it said last tells why
            self._input.write("go\n")
            self._input.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        with suppress(BrokenPipeError):
            self._input.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        for line in self._output:
            if line.startswith(MARK):  # peers print other things too
                found: dict[str, Any] = json.loads(line.removeprefix(MARK))
                return found
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines() or ["it said nothing"]
        raise Skip(f"the peer broke down: {said[-1]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
