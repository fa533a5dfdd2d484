"""A run on stdout: its table, its checks, what could not be read, its gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from llmood.cli.errors import FAILED, GATE_MISSED, reader_may_leave
from llmood.cli.gating import judge_gates
from llmood.cli.printing_errors import print_errors
from llmood.cli.terminal import print_json, print_table, say
from llmood.gates import Gate, GateResult
from llmood.picture_records import Corruptions
from llmood.questions.adapters import OVER_ADAPTERS
from llmood.questions.ood_detection import BEHIND_BEST, HEADLINE, QUESTION
from llmood.report.text import number
from llmood.runs import Run
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import is_on_adapter

Record = Mapping[str, Any]

REJECTS_SHOWN = 10


def finish(run: Run, gates: Sequence[Gate], *, as_json: bool) -> None:
    """Print a run and its gates, and end with the exit code that they deserve: failure wins over a missed gate."""
    records = run.records()
    results = judge_gates(gates, records, run.manifest["models"])
    with reader_may_leave():
        print_run(run, records, results, as_json=as_json)
    if run.status != "complete":
        raise typer.Exit(FAILED)
    if not all(result.held for result in results):
        raise typer.Exit(GATE_MISSED)


def print_run(run: Run, records: Sequence[Record], gates: Sequence[GateResult], *, as_json: bool) -> None:
    """A run's table of AUROCs, its checks, and where the rest is."""
    if as_json:
        print_json(
            {
                "run": str(run.folder),
                "status": run.status,
                "gates": gates_json(gates),
                "checks": run.checks(),
                "rejects": len(_rejects(run)),
                "metrics": records,
            }
        )
        return
    _print_auroc(run, records)
    print_errors(run, records)
    for check in run.checks():
        if check["severity"] != "info":
            say(f"{check['severity']}: {check['detail']}")
    _print_rejects(run)
    print_gates(gates)
    say(f"\nstatus: {run.status}\nreport: {run.folder / 'report.html'}")


def _print_auroc(run: Run, records: Sequence[Record]) -> None:
    detection = [r for r in records if r["question"] == QUESTION and r["slice"] is None]
    table = {(r["scorer"], r["ood_task"]): r for r in detection if r["metric"] == HEADLINE}
    best = {
        (r["scorer"], r["ood_task"]): r["params"].get("ties_with_best", False)
        for r in detection
        if r["metric"] == BEHIND_BEST
    }
    tasks = [task for task in run.manifest["tasks"] if task["population"] == "ood"]
    if not tasks:
        say("This benchmark has no OOD task: there is nothing to detect.")
        return
    shown = list(dict.fromkeys(scorer for scorer, _ in table if not is_on_adapter(scorer)))
    scorers = sorted(shown, key=lambda name: name in BASELINES)
    id_task = run.manifest["tasks"][0]
    say(f"{id_task['name']} (ID, {id_task['evaluated']} samples) against each OOD set")
    say("* above chance, and the best of the scorers asked for, or tied with it")
    if any(role.startswith("tuned:") for role in run.manifest["models"]):
        say("of the first adapter; below, how far that depends on the tuning run")
    level = f"AUROC [{run.scored_config.bootstrap.level * 100:g}%]"
    families = dict.fromkeys(task.get("family") for task in tasks)
    for family in sorted(families, key=lambda name: name is not None):
        grades = [task for task in tasks if task.get("family") == family]
        titles = [f"{task['name']} ({task['shift']})" for task in grades]
        if _is_crossed(grades[0]):
            titles = [f"{family}: {_both(grades[0])}", *map(_both, grades[1:])]
        elif family is not None:
            titles = [f"{family}: grade {grades[0]['severity']}", *(str(t["severity"]) for t in grades[1:])]
        rows = [
            [name, *(_cell(table[name, t["name"]], best.get((name, t["name"]), False)) for t in grades)]
            for name in scorers
        ]
        say()
        print_table([level, *titles], rows)
    _print_spread(records)
    say()


def _is_crossed(task: Record) -> bool:
    made = Corruptions.from_json(task.get("corruptions"))
    return made is not None and made.is_joint


def _both(task: Record) -> str:
    """The grades of a grid's cell: of its pictures, and of its words."""
    return f"{task['corruptions']['image_grade']} × {task['corruptions']['text_grade']}"


def _print_spread(records: Sequence[Record]) -> None:
    """How far the AUROCs depend on the tuning run, where there are several adapters."""
    found = [r for r in records if r["slice"] == OVER_ADAPTERS and r["metric"] == HEADLINE]
    if not found:
        return
    say("\nover the adapters: mean AUROC ± standard deviation")
    sets = list(dict.fromkeys(r["ood_task"] for r in found))
    cells = {(r["scorer"], r["ood_task"]): _spread(r) for r in found}
    names = dict.fromkeys(r["scorer"] for r in found)
    print_table(
        [f"{len(found[0]['params']['adapters'])} adapters", *sets],
        [[name, *(cells[name, task] for task in sets)] for name in names],
    )


def _spread(record: Record) -> str:
    if record["value"] is None:
        return f"– ({record['reason']})"
    return f"{number(record['value'])} ± {number(record['params']['standard_deviation'])}"


def _rejects(run: Run) -> list[dict[str, Any]]:
    # A run that was scored has the file; where someone removed it, no reject is known.
    return run.rejects() if (run.folder / "rejects.jsonl").is_file() else []


def _print_rejects(run: Run) -> None:
    rejects = _rejects(run)
    if rejects:
        say()
        print_table(
            ["can't be read", "reason"],
            [[f"{row['file']}:{row['line']}", row["reason"]] for row in rejects[:REJECTS_SHOWN]],
        )
    if len(rejects) > REJECTS_SHOWN:
        say(f"… and {len(rejects) - REJECTS_SHOWN} rows more in {run.folder / 'rejects.jsonl'}")


def _cell(record: Record, marked: bool) -> str:
    if record["value"] is None:
        return f"– ({record['reason']})"
    low, high = record["ci_low"], record["ci_high"]
    interval = f" [{number(low)}, {number(high)}]" if low is not None else ""
    above_chance = (record["value"] if low is None else low) > 0.5
    return f"{number(record['value'])}{interval}{' *' if marked and above_chance else ''}"


def print_gates(gates: Sequence[GateResult]) -> None:
    """A line for each gate."""
    for result in gates:
        say(f"gate {'held' if result.held else 'MISSED'}: {result.gate.text}{_gate_detail(result)}")


def _gate_detail(result: GateResult) -> str:
    if not result.matched:
        instead = " or ".join(f"'{text}'" for text in result.instead)
        return f" (no record matches{f'; another question has some: {instead}' if instead else ''})"
    of_first = ", of the first adapter" if result.first_adapter else ""
    count = f"{result.matched} record{'' if result.matched == 1 else 's'}"
    if not result.missed:
        return f" ({count}{of_first})"
    first = result.missed[0]
    shown = "undefined" if first["value"] is None else f"{first['value']:.4f}"
    example = f"{first['scorer'] or first['metric']} on {first['ood_task'] or first['id_task']}: {shown}"
    verb = "misses" if len(result.missed) == 1 else "miss"
    return f" ({len(result.missed)} of {count}{of_first} {verb} it; {example})"


def gates_json(gates: Sequence[GateResult]) -> list[dict[str, Any]]:
    """The same for `--json`."""
    return [
        {
            "gate": result.gate.text,
            "held": result.held,
            "matched": result.matched,
            "missed": len(result.missed),
        }
        for result in gates
    ]
