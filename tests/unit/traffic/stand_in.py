"""Verdicts by a rule that a test can work out: a record's score is the length of its text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.measures.threshold import Threshold
from llmood.progress import Progress
from llmood.records import FAILED, OK, UNSCORED
from llmood.traffic import Input, ScoredFile, Scoring, Summary, score_file
from llmood.traffic.drift import Drift
from llmood.traffic.replay import Replay
from llmood.traffic.shares import Batches, Promise, Shares

ABOUT = {"benchmark": "letters", "scorer": "length", "id_task": "letters"}
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("score", pa.float64()),
        ("p_value", pa.float64()),
        ("flag", pa.bool_()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)
LONG = 5  # a longer text is flagged
CALIBRATION = np.repeat(np.arange(1.0, 7.0), [20, 20, 20, 20, 15, 5])


class Lengths:
    """Counts what it was asked; breaks at a given record, if one is given."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.seen = 0
        self._breaks_at = breaks_at

    def chunks(self, records: Iterable[Any], *, rows: int = 8192) -> Iterator[pa.Table]:
        found = [self._verdict(place, record) for place, record in enumerate(records)]
        for start in range(0, len(found), rows):
            yield pa.Table.from_pylist(found[start : start + rows], schema=SCHEMA)

    def _verdict(self, place: int, record: Any) -> dict[str, Any]:
        if self._breaks_at is not None and self.seen >= self._breaks_at:
            raise KeyboardInterrupt
        self.seen += 1
        if record is None or "text" not in record:
            return {"row": place, "status": FAILED, "reason": "no text"}
        if not record["text"]:
            return {"row": place, "status": UNSCORED, "reason": "empty"}
        score = float(len(record["text"]))
        known = {"score": score, "p_value": 1.0 / (1.0 + score), "flag": score > LONG}
        return {"row": place, **known, "status": OK}


def scoring(verdicts: Lengths, **settings: Any) -> Scoring:
    """The stand-in as a detector at work, a few rows at a time."""
    return Scoring(verdicts, SCHEMA, "digest", **{"rows": 7, **settings})


def summary_of(scoring: Scoring) -> Summary:
    """Everything that there is to tell of its rows."""
    promise = Promise(CALIBRATION, Threshold.false_alarms(CALIBRATION, 0.05))
    batches = [] if scoring.batch is None else [Batches(scoring.batch, scoring.alpha)]
    replays = [Replay(label, 0, promise) for label in scoring.labels]
    return Summary(ABOUT, [Shares(promise, {}), *batches, Drift(CALIBRATION, 0), *replays])


def scored(scoring: Scoring, source: Path, output: Path, **settings: Any) -> ScoredFile:
    """`score_file` in silence."""
    return score_file(scoring, Input(source), output, summary_of(scoring), Progress(), **settings)
