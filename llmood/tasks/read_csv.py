"""CSV, row by row. A quote that is never closed, or far below, takes its own line along and not the rows between."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Any

from llmood.errors import DataError
from llmood.records import Reject

MAX_ROW_LINES = 1000  # lines of one row: over more of them a quote is missing
NOT_UTF8 = "invalid UTF-8"  # how the reason of such a reject begins
AS_UTF8 = "save the file as UTF-8, say with: iconv -f WINDOWS-1252 -t UTF-8"

Row = dict[str, Any]
Rows = Iterator[tuple[int, Row] | Reject]


def read_csv(lines: Iterator[bytes | None], name: str, longest: int, *, delimiter: str = ",") -> Rows:
    """The rows under a header, each with the line that it starts on.

    Args:
        lines: None where a line is over `longest` bytes.
        name: the file's name in rejects and messages.
        longest: bytes of a line, and characters of a field.

    Raises:
        DataError: there is no header.
    """
    # Bytes that are no UTF-8 become lone surrogates here, so that one bad row doesn't take the whole file along.
    texts = _Lines("\0" if line is None else line.decode("utf-8", "surrogateescape") for line in lines)
    limit = csv.field_size_limit(longest)
    try:
        reader = csv.reader(texts, strict=True, delimiter=delimiter)
        header = _header(reader, name, longest)
        texts.drop()
        while True:
            start = texts.number
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Reject(name, start, f"bad CSV: {_said(error)}")
                texts.drop_first()
                continue
            if cells and len(cells) != len(header):
                yield Reject(name, start, f"{len(cells)} cells under {len(header)} columns")
                texts.drop_first()
                continue
            if cells:
                unusable = _unusable("".join(cells), longest)
                yield Reject(name, start, unusable) if unusable else (start, _row(header, cells))
            texts.drop()
    finally:
        csv.field_size_limit(limit)


class _Lines:
    """The lines that the CSV reader takes for a row; those after the first can be read again as rows of their own."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.number = 1  # of the first line that is not dropped
        self._lines = lines
        self._taken: list[str] = []
        self._again: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._taken) == MAX_ROW_LINES:
            raise csv.Error(f"a row over {MAX_ROW_LINES} lines (a quote that isn't closed?)")
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        return line

    def drop(self) -> None:
        self.number += len(self._taken)
        self._taken.clear()

    def drop_first(self) -> None:
        self.number += 1
        self._again.extendleft(reversed(self._taken[1:]))
        self._taken.clear()


def _header(reader: Iterator[list[str]], name: str, longest: int) -> list[str]:
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise DataError(f"{name}:1: the header is bad CSV: {_said(error)}") from None
    if not header or len(set(header)) < len(header) or not all(cell.strip() for cell in header):
        raise DataError(f"{name}:1: a header is needed: one line of column names, each of them once")
    unusable = _unusable("".join(header), longest)
    if unusable:
        raise DataError(f"{name}:1: the header: {unusable}", hint=AS_UTF8)
    return header


def _said(error: csv.Error) -> str:
    alone = str(error).startswith("new-line character seen in unquoted field")
    return "a carriage return outside of quotes (lines end with LF or CRLF)" if alone else str(error)


def _row(header: list[str], cells: list[str]) -> Row:
    # CSV has no null: an empty cell is one.
    return {column: cell or None for column, cell in zip(header, cells, strict=True)}


def _unusable(text: str, longest: int) -> str | None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return NOT_UTF8
    # So is ASCII in UTF-16 without a mark at its start.
    return f"holds a NUL character, or a line over {longest} bytes" if "\0" in text else None
