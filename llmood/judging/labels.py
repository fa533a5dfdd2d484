"""People's own verdicts, by sample id."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from llmood.errors import ConfigError
from llmood.records import Reject
from llmood.tasks.read import read_rows

ID, CORRECT, QUALITY = "sample_id", "correct", "quality"
SHOWN = 3  # of what may be many, in a message of one line
_WORDS: Mapping[Any, bool] = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


class Label(NamedTuple):
    """A verdict on one answer: whether it is right, and how good it is, in [0, 1]."""

    correct: bool
    quality: float


def read_labels(path: Path, known: Collection[str], *, place: str) -> dict[str, Label]:
    """Labels of a CSV, JSONL or Parquet file with the columns `sample_id`, `correct` and maybe `quality`.

    Args:
        known: the ids that the run has.
        place: where the file was named, for messages.

    Raises:
        ConfigError: a row can't be read, or is of no sample of the run, or of one that has a label already.
        DataError: the file as a whole can't be read.
    """
    if not path.is_file():
        raise ConfigError(
            f"{place}: {path} {'is a folder' if path.is_dir() else 'is not there'}",
            hint=f"set {place} to a CSV, JSONL or Parquet file with the columns {ID}, {CORRECT} and maybe {QUALITY}",
        )
    labels: dict[str, Label] = {}
    strange: list[str] = []
    for found in read_rows(path, path.name):
        if isinstance(found, Reject):
            raise ConfigError(f"{place}: {path.name}:{found.line}: {found.reason}")
        line, row = found
        at = f"{place}: {path.name}:{line}"
        sample_id, label = _label(row, at)
        if sample_id in labels:
            raise ConfigError(f"{at}: the sample {sample_id} has a label already")
        if sample_id not in known:
            strange.append(sample_id)
        labels[sample_id] = label
    if strange:
        more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
        raise ConfigError(
            f"{place}: {path.name}: the run has no sample {', '.join(strange[:SHOWN])}{more}",
            hint="ids stand in the run's samples.parquet, in the column sample_id",
        )
    if not labels:
        raise ConfigError(f"{place}: {path.name} holds no label")
    return labels


def _label(row: Mapping[str, Any], at: str) -> tuple[str, Label]:
    for column in (ID, CORRECT):
        if row.get(column) in (None, ""):
            raise ConfigError(
                f"{at}: has no '{column}'", hint=f"columns: {ID}, {CORRECT}, and maybe {QUALITY}"
            )
    given = row[CORRECT]
    correct = _WORDS.get(str(given).strip().lower())
    if correct is None:
        raise ConfigError(f"{at}: {CORRECT} is {str(given)[:40]!r}, neither true nor false")
    return str(row[ID]), Label(correct, _quality(row.get(QUALITY), at, float(correct)))


def _quality(given: Any, at: str, default: float) -> float:
    if given is None or given == "":
        return default
    try:
        quality = float(given)
    except (TypeError, ValueError):
        quality = -1.0
    if not 0.0 <= quality <= 1.0:
        raise ConfigError(f"{at}: {QUALITY} is {str(given)[:40]!r}, not a number from 0 to 1")
    return quality
