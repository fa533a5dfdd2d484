"""`llmood report`: the page of one run, or of several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options

NAME = "report"
EPILOG = "Examples: llmood report runs/mine · llmood report runs/a runs/b -o pages"


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="Where report.html goes: by default the run's folder, or for several runs the working directory.",
        ),
    ] = None,
    as_json: options.AsJson = False,
    gate: options.GateOption = None,
) -> None:
    """Write report.html anew from a run's files."""
    from llmood.cli.errors import FAILED, GATE_MISSED, reader_may_leave
    from llmood.cli.printing import gates_json, print_gates
    from llmood.cli.progress import Bars
    from llmood.cli.terminal import print_json, say
    from llmood.gates import judge, parse_gate
    from llmood.report import write_report
    from llmood.run import WRITING_REPORT, Run

    parsed = [parse_gate(text) for text in gate or []]
    folder = output_dir or (runs[0] if len(runs) == 1 else Path())
    loaded = [Run(run) for run in runs]
    results = [result for run in loaded for result in judge(parsed, run.records())]
    page = folder / "report.html"
    Bars().say(WRITING_REPORT)
    write_report(runs, page)
    with reader_may_leave():
        if as_json:
            folders = [str(run.folder) for run in loaded]
            print_json({"report": str(page), "runs": folders, "gates": gates_json(results)})
        else:
            print_gates(results)
            say(str(page))
    if parsed and not all(run.status == "complete" for run in loaded):
        raise typer.Exit(FAILED)
    if not all(result.held for result in results):
        raise typer.Exit(GATE_MISSED)
