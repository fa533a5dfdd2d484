"""`llmood merge`: the shards that jobs made → the run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options

NAME = "merge"
EPILOG = """Examples:

  llmood run mine.yaml -o runs/mine --shard 0/4

  llmood merge runs/mine

  llmood merge here/mine there/mine -o runs/mine

The first makes one shard of four, in a job of its own. Where the jobs share no store, add --carry to it.
"""


def command(
    runs: Annotated[
        list[Path], typer.Argument(help="The folder that the shards were written to; several, if they were.")
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", help="The run folder, by default the first.", rich_help_panel=options.OUTPUT
        ),
    ] = None,
    as_json: options.AsJson = False,
    gate: options.GateOption = None,
) -> None:
    """Make one run of its shards: scores, metrics and report; no model loads."""
    from llmood.cli.gating import run_gates
    from llmood.cli.printing import finish
    from llmood.cli.progress import Bars
    from llmood.merging import merge

    gates = run_gates(gate)
    run = merge(*runs, output_dir=output_dir, progress=Bars(), command=sys.argv)
    finish(run, gates, as_json=as_json)
