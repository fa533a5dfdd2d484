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
            help="Where report.html goes. [default: the run's folder; for several, here]",
        ),
    ] = None,
    as_json: options.AsJson = False,
    gate: options.GateOption = None,
) -> None:
    """Write report.html anew from a run's files."""
    from llmood.cli.errors import GATE_MISSED
    from llmood.cli.printing import print_json
    from llmood.gates import judge, parse_gate
    from llmood.report import write_report
    from llmood.run import Run

    parsed = [parse_gate(text) for text in gate or []]
    folder = output_dir or (runs[0] if len(runs) == 1 else Path())
    loaded = [Run(run) for run in runs]
    write_report(runs, folder / "report.html")
    results = [result for run in loaded for result in judge(parsed, run.records())]
    if as_json:
        print_json({"report": str(folder / "report.html"), "runs": [str(run.folder) for run in loaded]})
    else:
        typer.echo(folder / "report.html")
    if not all(result.held for result in results):
        raise typer.Exit(GATE_MISSED)
