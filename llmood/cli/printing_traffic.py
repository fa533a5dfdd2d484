"""Scored traffic on the terminal: rows on stdout, what they look like as a whole on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import typer

from llmood.cli.errors import FAILED, GATE_MISSED, reader_may_leave
from llmood.cli.printing import gates_json, print_gates
from llmood.cli.terminal import print_json, print_table, say
from llmood.gates import Gate, GateResult, judge
from llmood.metrics import ERROR_DETECTION
from llmood.questions.ood_detection import QUESTION as OOD_DETECTION
from llmood.report.text import metric_name, number
from llmood.tables import write_json
from llmood.traffic.formats import as_line
from llmood.traffic.summary import QUESTION, Summary
from llmood.traffic.words import P_VALUES, TITLES, said

Record = Mapping[str, Any]
HEADINGS = {
    QUESTION: "traffic",
    ERROR_DETECTION: "does the score tell wrong answers?",
    OOD_DETECTION: "does it tell OOD?",
}
LEAST_P = 0.0001


def warn_of_engine(differs: Sequence[str]) -> None:
    """Say on stderr how the engine isn't the one that the detector was fitted on."""
    with redirect_stdout(sys.stderr):
        for each in differs:
            say(f"warning: {each}: scores may differ by the noise between engines")


def writer_to(stream: TextIO) -> Callable[[Sequence[Record]], None]:
    """What writes rows as JSON lines, and sends them on their way at once: someone may be reading along."""

    def write(rows: Sequence[Record]) -> None:
        stream.writelines(f"{as_line(row)}\n" for row in rows)
        stream.flush()

    return write


def write_summary(path: Path | None, gates: Sequence[Gate], summary: Summary, output: Path | None) -> None:
    """The summary as JSON, where it was asked for."""
    if path is not None:
        records = [asdict(record) for record in summary.records()]
        write_json(path, _as_json(summary, records, judge(gates, records), output))


def finish(summary: Summary, gates: Sequence[Gate], output: Path | None, *, as_json: bool) -> None:
    """Print the summary and the gates, and end with the exit code that they deserve: failure wins over a miss."""
    records = [asdict(record) for record in summary.records()]
    results = judge(gates, records)
    with reader_may_leave():
        if as_json:
            print_json(_as_json(summary, records, results, output))
        else:
            with redirect_stdout(sys.stderr):
                _print(summary, records, results, output)
    if summary.failed:
        raise typer.Exit(FAILED)
    if not all(result.held for result in results):
        raise typer.Exit(GATE_MISSED)


def _as_json(
    summary: Summary, records: Sequence[Record], results: Sequence[GateResult], output: Path | None
) -> dict[str, Any]:
    return {
        "output": None if output is None else str(output),
        **summary.to_json(),
        "gates": gates_json(results),
        "metrics": list(records),
    }


def _print(
    summary: Summary, records: Sequence[Record], results: Sequence[GateResult], output: Path | None
) -> None:
    counts = ", ".join(f"{rows} {status}" for status, rows in sorted(summary.statuses.items()))
    say(f"\n{summary.rows} rows: {counts or 'none'}")
    if summary.reasons:
        print_table(
            ["rows", "status", "reason"],
            [[str(rows), *key] for key, rows in summary.reasons.most_common()],
        )
    for question, heading in HEADINGS.items():
        of = [record for record in records if record["question"] == question]
        if of:
            say()
            print_table([heading, "value", "interval", "what it says"], [row_of(record) for record in of])
    say()
    print_gates(results)
    if output is not None:
        say(f"written: {output}")


def row_of(record: Record) -> list[str]:
    """A record as a row of a table: what it is, value, interval, what it says."""
    return [TITLES.get(record["metric"]) or metric_name(record["metric"]), *_shown(record), said(record)]


def _shown(record: Record) -> tuple[str, str]:
    if record["value"] is None:
        return "–", f"({record['reason']})"
    low, high = record["ci_low"], record["ci_high"]
    if record["metric"] in P_VALUES and record["value"] < LEAST_P:
        return f"< {LEAST_P:g}", ""
    return number(record["value"]), "" if low is None else f"[{number(low)}, {number(high)}]"
