"""A comparison on stdout: what its letters stand for, its warnings, its table, its gates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from llmood.cli.printing import gates_json, print_gates
from llmood.cli.terminal import print_json, print_table, say
from llmood.comparison import Comparison
from llmood.gates import GateResult
from llmood.report.comparison import (
    DifferenceRow,
    MetricDifferences,
    Record,
    difference_row,
    differences_by_metric,
)


def print_comparison(
    compared: Comparison, gates: Sequence[GateResult], page: Path | None, *, as_json: bool
) -> None:
    """The whole of a comparison."""
    if as_json:
        shown = compared.to_json()
        print_json({**shown, "gates": gates_json(gates), "report": None if page is None else str(page)})
        return
    for side in compared.sides:
        what = f"{side['scorer']} of {side['run']}" if side["scorer"] else side["run"]
        status = "" if side["status"] == "complete" else f", {side['status']}"
        models = "; ".join(f"{role} {name}" for role, name in side["models"].items())
        say(f"{side['letter']} = {what} ({side['name']}{status}; {models})")
    differing = [record for record in compared.records if not record["params"].get("identical")]
    for metric in differences_by_metric(differing):
        _print_metric(metric, compared)
    say()
    for line in _identical(compared.records):
        say(line)
    for check in compared.checks:
        say(f"{check['severity']}: {check['detail']}")
    print_gates(gates)
    if page is not None:
        say(f"report: {page}")


def _identical(records: Sequence[Record]) -> Iterator[str]:
    """A line for each two sides with scorers that gave every common sample the same score."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for record in records:
        if record["params"].get("identical"):
            row = difference_row(record)
            found.setdefault(row.sides, {}).setdefault(row.scorer, {})[row.task] = None
    for sides, scorers in found.items():
        named = "; ".join(f"{scorer} on {', '.join(tasks)}" for scorer, tasks in scorers.items())
        yield f"{sides}: the same score for every common sample, so a difference of 0 [0, 0], not counted: {named}"


def _print_metric(metric: MetricDifferences, compared: Comparison) -> None:
    levels = [record["ci_level"] for record in compared.records if record["ci_level"] is not None]
    level = f" [{levels[0] * 100:g}%]" if levels else ""
    count = compared.records[0]["params"]["comparisons"]
    unit = f", differences in {metric.unit}" if metric.unit else ""
    say(f"\n{metric.title} ({metric.better}{unit}); p adjusted after Holm over {count} comparisons\n")
    header = ["OOD set", "scorer", "sides", "first", "second", f"difference{level}", "p", "p Holm"]
    header += ["shows from", "ID + OOD", "left out", "result"]
    print_table(header, [_cells(row) for row in metric.rows])


def _cells(row: DifferenceRow) -> list[str]:
    severity = "" if row.severity is None else f" {row.severity}"
    interval = f" [{row.interval}]" if row.interval else ""
    return [
        f"{row.task} ({row.shift}{severity})",
        *(row.scorer, row.sides, row.value_a, row.value_b, f"{row.difference}{interval}"),
        *(row.p_value, row.p_holm, row.detectable, row.pairs, row.left_out, row.verdict),
    ]
