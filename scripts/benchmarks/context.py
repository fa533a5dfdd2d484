"""What every line of the bench is given, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.record import Record


@dataclass(frozen=True)
class Context:
    """Where a line runs.

    Attributes:
        device: `cpu` or `cuda`.
        folder: for its files; removed afterwards.
        models: the real models.
        data: the real data.
        repeats: how often each side runs; the best counts.
        command: what measures this line again.
    """

    device: str
    folder: Path
    models: Path
    data: Path
    repeats: int
    command: str


class Line(Protocol):
    """One comparison, or a few that share their runs."""

    @property
    def name(self) -> str: ...

    def measure(self, context: Context) -> list[Record]:
        """Run it.

        Raises:
            Skip: something that it needs isn't here.
        """
