"""Which file is which split, and what its rows look like."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmood.errors import ConfigError, DataError
from llmood.records import SPLITS, Reject, Split
from llmood.registry import suggest
from llmood.tasks.read import read_rows
from llmood.tasks.read_csv import AS_UTF8, NOT_UTF8

# How files name their splits; the first spelling that is there is taken.
SPELLINGS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "calibration": ("calibration", "calib"),
    "test": ("test", "testing"),
}
DATA = re.compile(r"\.(jsonl|csv)(\.gz)?$|\.parquet$", re.IGNORECASE)
KEPT = 1000  # rows that guesses are made from


@dataclass(frozen=True, slots=True)
class Head:
    """The first rows of a file, and how many there are."""

    rows: list[dict[str, Any]]
    count: int
    rejects: int
    first_reject: Reject | None

    @property
    def unread(self) -> str:
        """What can't be read, for a message that names the file; empty where all can."""
        first = self.first_reject
        if first is None:
            return ""
        remedy = f" ({AS_UTF8})" if first.reason.startswith(NOT_UTF8) else ""
        return f"{self.rejects} can't be read, the first: line {first.line}: {first.reason}{remedy}"


def find_splits(given: Path) -> dict[Split, Path]:
    """The file of each split: of one file (its rows are `train`), a name with `{split}`, or a folder.

    Raises:
        DataError: there is no such file.
        ConfigError: a folder doesn't tell which file is what.
    """
    if "{split}" in given.name:
        return _of_pattern(given)
    if given.is_dir():
        return _of_folder(given)
    if not given.is_file():
        raise DataError(f"no file '{given}'", hint=nearest(given))
    return {"train": given}


def read_head(path: Path) -> Head:
    """Read a file to its end, and keep its first rows.

    Raises:
        DataError: it can't be read, or holds no row.
        ConfigError: a format that llmood doesn't read.
    """
    rows: list[dict[str, Any]] = []
    count = rejects = 0
    first: Reject | None = None
    for item in read_rows(path, str(path)):
        if isinstance(item, Reject):
            rejects += 1
            first = first or item
            continue
        count += 1
        if len(rows) < KEPT:
            rows.append(item[1])
    head = Head(rows, count, rejects, first)
    if not count:
        why = f"; {head.unread}" if first else ""
        # Where the encoding is the trouble, the form of the rows may be right.
        shape = None if AS_UTF8 in why else _shape(path)
        raise DataError(f"{path}: holds no row{why}", hint=shape)
    return head


def _shape(path: Path) -> str | None:
    """What a row of such a file is."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if ".csv" in suffixes[-2:]:
        return "a row is one line of cells below the header"
    return "a row is one JSON object with named columns" if ".jsonl" in suffixes[-2:] else None


def stem(path: Path) -> str:
    """A file's name without suffixes and without what names its split; empty where nothing is left."""
    bare = DATA.sub("", path.name).replace("{split}", "")
    words = [word for word in re.split(r"[^A-Za-z0-9]+", bare) if word]
    kept = [word for word in words if not any(word.lower() in names for names in SPELLINGS.values())]
    return "_".join(kept)


def _of_pattern(given: Path) -> dict[Split, Path]:
    found: dict[Split, Path] = {}
    for split in SPLITS:
        tried = [given.with_name(given.name.replace("{split}", spelling)) for spelling in SPELLINGS[split]]
        path = next((path for path in tried if path.is_file()), None)
        if path is not None:
            found[split] = path
    if not found:
        raise DataError(
            f"no file '{given}'", hint="{split} stands for train, validation, calibration and test"
        )
    return found


def _of_folder(given: Path) -> dict[Split, Path]:
    files = sorted(path for path in given.iterdir() if path.is_file() and DATA.search(path.name))
    if not files:
        raise DataError(f"{given}: holds no .jsonl, .csv or .parquet file")
    found: dict[Split, Path] = {}
    for path in files:
        words = re.split(r"[^a-z]+", DATA.sub("", path.name).lower())
        split = next((split for split, names in SPELLINGS.items() if set(words) & set(names)), None)
        if split is None:
            continue
        if split in found:
            raise ConfigError(
                f"{given}: {found[split].name} and {path.name} may both be '{split}'",
                hint=f"say which: --{split} FILE",
            )
        found[split] = path
    if not found and len(files) == 1:
        return {"train": files[0]}
    if not found:
        names = ", ".join(path.name for path in files[:5])
        raise ConfigError(
            f"{given}: no file's name says its split: {names}", hint="say --train FILE --test FILE"
        )
    return found


def nearest(given: Path, *, also: Iterable[str] = ()) -> str:
    """The hint for a file that isn't there: data files beside it with a like name, else all of them.

    Args:
        also: other names that may have been meant; only one that is near is said.
    """
    folder = given.parent
    if not folder.is_dir():
        return f"there is no folder '{folder}'"
    files = [path.name for path in folder.iterdir() if DATA.search(path.name)]
    near = difflib.get_close_matches(given.name, [*files, *also])
    if near:
        return suggest(given.name, near)
    return suggest(given.name, files) if files else f"'{folder}' holds no .jsonl, .csv or .parquet file"


def columns_of(heads: Mapping[Split, Head]) -> list[dict[str, Any]]:
    """The rows to guess from: of every split, so that a column that one lacks shows."""
    return [row for head in heads.values() for row in head.rows]
