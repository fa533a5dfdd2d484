"""What a benchmark says: records, one a comparison."""

from __future__ import annotations

from dataclasses import dataclass


class Skip(Exception):  # noqa: N818 - an answer rather than a mistake
    """Why a line can't be measured here."""


@dataclass(frozen=True)
class Record:
    """One comparison, both sides measured in the same run.

    `value` is ours, in `unit`; `peer` says what it was held against. `ratio` is written so that higher is better, and
    `ratio >= target` means reached; None where nothing is compared or asked for.
    """

    name: str
    value: float
    unit: str
    peer: str | None
    ratio: float | None
    target: float | None
    command: str

    @property
    def reached(self) -> bool | None:
        """None where no target is set."""
        if self.target is None:
            return None
        return self.ratio is not None and self.ratio >= self.target
