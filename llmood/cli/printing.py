"""Results on stdout: aligned plain text that pipes, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmood.gates import GateResult
from llmood.questions.ood_detection import BEHIND_BEST, HEADLINE
from llmood.run import Run
from llmood.scorers.baselines import BASELINES

Record = Mapping[str, Any]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; never cut, whatever the terminal."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_json(value: Any) -> None:
    """One line of JSON."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


def print_run(run: Run, gates: Sequence[GateResult], *, as_json: bool) -> None:
    """A run's table of AUROCs, its checks, and where the rest is."""
    if as_json:
        print_json(
            {
                "run": str(run.folder),
                "status": run.status,
                "gates": [_gate_json(result) for result in gates],
                "checks": run.checks(),
                "metrics": run.records(),
            }
        )
        return
    _print_auroc(run)
    for check in run.checks():
        if check["severity"] != "info":
            print(f"{check['severity']}: {check['detail']}")
    for result in gates:
        print(f"gate {'held' if result.held else 'MISSED'}: {result.gate.text}{_gate_detail(result)}")
    print(f"\nstatus: {run.status}\nreport: {run.folder / 'report.html'}")


def _print_auroc(run: Run) -> None:
    records = run.records()
    table = {(r["scorer"], r["ood_task"]): r for r in records if r["metric"] == HEADLINE}
    best = {
        (r["scorer"], r["ood_task"]): r["params"]["ties_with_best"]
        for r in records
        if r["metric"] == BEHIND_BEST
    }
    scorers = list(dict.fromkeys(scorer for scorer, _ in table))
    tasks = [task for task in run.manifest["tasks"] if task["population"] == "ood"]
    if not tasks:
        print("This benchmark has no OOD task: there is nothing to detect.")
        return
    header = ["AUROC [95 %]", *(f"{task['name']} ({task['shift']})" for task in tasks)]
    header[0] = f"AUROC [{run.config.bootstrap.level:.0%}]"
    rows = []
    for scorer in sorted(scorers, key=lambda name: name in BASELINES):
        cells = [
            _cell(table[scorer, task["name"]], best.get((scorer, task["name"]), False)) for task in tasks
        ]
        rows.append([scorer, *cells])
    id_task = run.manifest["tasks"][0]
    print(
        f"{id_task['name']} (ID, {id_task['evaluated']} samples) against each OOD set; * best, or tied with the best\n"
    )
    print_table(header, rows)
    print()


def _cell(record: Record, marked: bool) -> str:
    if record["value"] is None:
        return f"– ({record['reason']})"
    interval = f" [{record['ci_low']:.3f}, {record['ci_high']:.3f}]" if record["ci_low"] is not None else ""
    return f"{record['value']:.3f}{interval}{' *' if marked else ''}"


def _gate_detail(result: GateResult) -> str:
    if not result.matched:
        return " (no record matches)"
    if not result.missed:
        return f" ({result.matched} records)"
    first = result.missed[0]
    shown = "undefined" if first["value"] is None else f"{first['value']:.4f}"
    example = f"{first['scorer']} on {first['ood_task']}: {shown}"
    return f" ({len(result.missed)} of {result.matched} records miss it; {example})"


def _gate_json(result: GateResult) -> dict[str, Any]:
    return {
        "gate": result.gate.text,
        "held": result.held,
        "matched": result.matched,
        "missed": len(result.missed),
    }
