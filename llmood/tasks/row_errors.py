"""Why a row can't be used, whoever finds it."""

from __future__ import annotations


class RowError(Exception):
    """Why one row can't be used; it becomes that row's `Reject`."""


class MissingColumnError(RowError):
    """The row lacks a column. Where every row does, the task's YAML is wrong rather than the row."""

    def __init__(self, column: str) -> None:
        super().__init__(f"no column '{column}'")
        self.column = column
