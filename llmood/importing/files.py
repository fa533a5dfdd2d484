"""The files that are imported, row by row."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmood.errors import DataError, kind_of
from llmood.records import Reject
from llmood.tasks.read import read_rows
from llmood.tasks.read_csv import Row, Rows

SUFFIXES = re.compile(r"(\.(jsonl|json|csv|parquet))?(\.gz)?$", re.IGNORECASE)


def stem_of(path: Path) -> str:
    """A file's name without what says its format."""
    return SUFFIXES.sub("", path.name) or path.name


def is_text_table(path: Path) -> bool:
    """Whether its cells are only ever text."""
    return path.name.lower().removesuffix(".gz").endswith(".csv")


def names_of(paths: Sequence[Path]) -> list[str]:
    """What rejects and messages call each file: its name, with its folder's where two have the same."""
    names = [path.name for path in paths]
    return [
        name if names.count(name) == 1 else f"{path.parent.name}/{name}"
        for path, name in zip(paths, names, strict=True)
    ]


def rows_of(path: Path, name: str) -> Rows:
    """The rows of a file with the line that each starts on; in a JSON list or Parquet: its place, from 1.

    Raises:
        ConfigError: a suffix that no reader knows.
        DataError: the file as a whole can't be read.
    """
    if path.name.lower().removesuffix(".gz").endswith(".json"):
        return _json_list(path, name)
    return read_rows(path, name)


def _json_list(path: Path, name: str) -> Rows:
    try:
        content = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            content = gzip.decompress(content)
        found = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name}: is damaged: {error}", hint="fetch the file again") from None
    except OSError as error:
        raise DataError(f"{name}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: invalid UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{name}: bad JSON: {error}", hint="a file of one object a line is called .jsonl"
        ) from None
    if not isinstance(found, list):
        raise DataError(
            f"{name}: holds {kind_of(found)}, not a list of rows",
            hint="a file of one object a line is called .jsonl",
        )
    for line, row in enumerate(found, start=1):
        yield (
            (line, row)
            if isinstance(row, dict)
            else Reject(name, line, f"wrong type: the row is {kind_of(row)}, not an object")
        )


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("an object holds one key twice")
    return row
