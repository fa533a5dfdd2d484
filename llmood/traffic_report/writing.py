"""`report.html` and `traffic_metrics.json` of an event store."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llmood.tables import write_json, write_text
from llmood.traffic_report.collecting import Collected, all_records, collect
from llmood.traffic_report.page import render_traffic

PAGE, METRICS = "report.html", "traffic_metrics.json"


@dataclass(frozen=True)
class TrafficReport:
    """What was written, and what it says."""

    page: Path
    metrics: Path
    collected: list[Collected]
    records: list[dict[str, Any]]


def write_traffic_report(events: Path, output: Path | None = None) -> TrafficReport:
    """Read an event store, and write its page and its numbers. The same events give the same bytes.

    Args:
        output: the folder where they go, by default that of the events.

    Raises:
        ConfigError: the folder holds no events.
        StoreError: something in it is damaged, or the page can't be written.
    """
    collected = collect(events)
    records = [asdict(record) for record in all_records(collected)]
    target = events if output is None else output
    write_text(target / PAGE, render_traffic(events.resolve().name, collected))
    write_json(target / METRICS, records)
    return TrafficReport(target / PAGE, target / METRICS, collected, records)
