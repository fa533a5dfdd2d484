"""The report of a guard's decisions on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from llmood.cli.errors import GATE_MISSED, reader_may_leave
from llmood.cli.printing import gates_json, print_gates
from llmood.cli.printing_traffic import row_of
from llmood.cli.terminal import print_json, print_table, say
from llmood.gates import Gate, GateResult, judge
from llmood.traffic_report.latency import TITLES

if TYPE_CHECKING:
    from llmood.traffic_report import TrafficReport


def finish(report: TrafficReport, gates: Sequence[Gate], *, as_json: bool) -> None:
    """Print it and the gates, and end with the exit code that they deserve."""
    results = judge(gates, report.records)
    with reader_may_leave():
        if as_json:
            print_json(_as_json(report, results))
        else:
            _print(report, results)
    if not all(result.held for result in results):
        raise typer.Exit(GATE_MISSED)


def _as_json(report: TrafficReport, results: Sequence[GateResult]) -> dict[str, Any]:
    return {
        "report": str(report.page),
        "traffic_metrics": str(report.metrics),
        "detectors": [each.to_json() for each in report.collected],
        "gates": gates_json(results),
        "metrics": report.records,
    }


def _print(report: TrafficReport, results: Sequence[GateResult]) -> None:
    for each in report.collected:
        statuses = ", ".join(f"{rows} {status}" for status, rows in sorted(each.summary.statuses.items()))
        say(f"{each.detector.name} ({each.detector.digest[:8]}), {each.summary.rows} decisions: {statuses}")
        own = [record for record in report.records if record["params"]["detector"] == each.detector.digest]
        print_table(["traffic", "value", "interval", "what it says"], [_row(record) for record in own])
        say()
    print_gates(results)
    say(str(report.page))


def _row(record: Mapping[str, Any]) -> list[str]:
    if record["metric"] in TITLES and record["value"] is not None:
        return [TITLES[record["metric"]], f"{record['value']:.3g} s", "", ""]
    return row_of(record)
