"""One value of a table, made of its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmood.report.read import Record
from llmood.report.text import interval, number

NO_REASON = "no reason given"


@dataclass(frozen=True)
class Cell:
    """One value of a table, ready to be shown.

    Attributes:
        text: the value, or None where it is undefined; then `reason` says why.
        mark: `best`, `tie`, `backwards`, `chance`, `strong`, `inverted`, `loses`, `gains`, `hard_familiar`,
            `hard_unfamiliar`, `unlike`, `alike`, or one of calibration (`calibration_tables`), said in words beside it;
            or empty.
    """

    text: str | None
    interval: str | None = None
    reason: str | None = None
    mark: str = ""
    unscored: int = 0


def record_cell(
    record: Record | None,
    text: Callable[[float], str] = number,
    *,
    mark: Callable[[Record], str] = lambda _: "",
    unscored: int | None = None,
) -> Cell | None:
    """A record's value with its interval, or why there is none; None where there is no record.

    Args:
        text: the value in words.
        mark: of a record that has a value.
        unscored: how many samples have no score; None: as the record says.
    """
    if record is None:
        return None
    missing = record["n_unscored"] if unscored is None else unscored
    if record["value"] is None:
        return Cell(None, reason=record["reason"] or NO_REASON, unscored=missing)
    # A value whose interval is missing says why.
    return Cell(text(record["value"]), interval(record), record["reason"], mark(record), missing)


def loss_mark(record: Record) -> str:
    """Where the whole interval of what a shift takes is on one side of 0."""
    if record["ci_low"] is None:
        return ""
    return "loses" if record["ci_low"] > 0 else "gains" if record["ci_high"] < 0 else ""
