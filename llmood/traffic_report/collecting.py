"""One pass over an event store: what there is to tell of each detector's decisions, in flat memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmood.detector.content import ANSWER
from llmood.detector.targets import FALSE_ALARMS
from llmood.errors import ConfigError, StoreError
from llmood.events import Described, read_descriptions, read_events
from llmood.measures.reservoir import Reservoir
from llmood.records import OK, MetricRecord
from llmood.seeds import derive_seed
from llmood.traffic.drift import Drift
from llmood.traffic.shares import Promise, Shares
from llmood.traffic.summary import Summary
from llmood.traffic_report.flagged import FlaggedTexts
from llmood.traffic_report.latency import Latency
from llmood.traffic_report.timeline import Timeline

MOST_NAMES = 100  # of models, which whoever asks may choose
DRAWN_SCORES = 20_000  # in the histogram
OTHER = "others"


class Collected:
    """What there is to tell of one detector's decisions.

    Attributes:
        summary: counts, reasons and records.
        ways: decisions by source, stage and action.
        models: decisions by the model that was asked for.
        first: when the earliest question came; `last` likewise.
    """

    def __init__(self, detector: Described) -> None:
        self.detector = detector
        flagging = detector.thresholds[0]
        self.promised = flagging.alpha
        self._targets = [each.target for each in detector.thresholds if each.target != FALSE_ALARMS]
        self.summary = Summary(
            {"benchmark": detector.benchmark, "scorer": detector.scorer, "id_task": detector.id_task},
            [
                Shares(
                    Promise(detector.calibration, flagging),
                    {each: f"{ANSWER}{each}" for each in self._targets},
                ),
                Drift(detector.calibration, detector.seed),
                Latency(),
            ],
        )
        self.timeline = Timeline()
        self.flagged = FlaggedTexts()
        self.scores = Reservoir(DRAWN_SCORES, derive_seed(detector.seed, "traffic", "drawn"))
        self.ways: Counter[tuple[str, str, str]] = Counter()
        self.models: Counter[str] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None

    def update(self, events: pa.Table) -> None:
        """See some of its events."""
        rows = events.drop_columns(["event_id", "request_id", "parts", "text_hash"]).to_pylist()
        for row in rows:
            answers = dict(row["answers"])
            # What isn't known to be answerable isn't counted as such.
            row.update({f"{ANSWER}{target}": answers.get(target) is True for target in self._targets})
            self.ways[row["source"], row["stage"], row["action"]] += 1
        self.summary.update(rows)
        scored = np.array([row["status"] == OK for row in rows], dtype=np.bool_)
        flags = np.array([row["flag"] is True for row in rows], dtype=np.bool_)
        seconds = pc.cast(pc.floor_temporal(events["time"], unit="second"), pa.timestamp("s", tz="UTC"))
        self.timeline.update(pc.cast(seconds, pa.int64()).to_numpy(), scored, flags & scored)
        self.scores.update([row["score"] for row in rows if row["score"] is not None])
        self.flagged.update(row["text"] for row in rows if row["flag"])
        self._count_models(row["model"] for row in rows)
        times = pc.min_max(events["time"]).as_py()
        self.first = times["min"] if self.first is None else min(self.first, times["min"])
        self.last = times["max"] if self.last is None else max(self.last, times["max"])

    def records(self) -> list[MetricRecord]:
        """All numbers; `params` says of which detector they are."""
        return [
            replace(record, params={**(record.params or {}), "detector": self.detector.digest})
            for record in self.summary.records()
        ]

    def to_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "detector": self.detector.digest,
            "name": self.detector.name,
            "first": None if self.first is None else self.first.isoformat(),
            "last": None if self.last is None else self.last.isoformat(),
            **self.summary.to_json(),
        }

    def _count_models(self, names: Any) -> None:
        for name in names:
            if name is not None:
                known = name in self.models or len(self.models) < MOST_NAMES
                self.models[name if known else OTHER] += 1


def collect(folder: Path) -> list[Collected]:
    """What there is to tell of an event store, a detector at a time, in the order in which they began.

    Raises:
        ConfigError: the folder holds no events.
        StoreError: something in it is damaged, or a detector that decided isn't described there.
    """
    found: dict[str, Collected] = {}
    described: Mapping[str, Described] | None = None
    for table in read_events(folder):
        described = read_descriptions(folder) if described is None else described
        for digest in pc.unique(table["detector"]).to_pylist():
            if digest not in found:
                found[digest] = Collected(_known(folder, described, digest))
            found[digest].update(table.filter(pc.equal(table["detector"], digest)))
    if not found:
        raise ConfigError(f"{folder}: holds no decisions yet", hint="ask the guard something first")
    return list(found.values())


def _known(folder: Path, described: Mapping[str, Described], digest: str) -> Described:
    if digest not in described:
        path = folder / f"detector-{digest[:8]}.json"
        raise StoreError(
            f"{path}: is missing, and detector {digest} decided here",
            hint="'llmood serve' with that detector writes it anew",
        )
    return described[digest]


def all_records(collected: Sequence[Collected]) -> list[MetricRecord]:
    """Those of all detectors."""
    return [record for each in collected for record in each.records()]
