"""`llmood rescore`: scores, metrics and report again, from what the run stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options

NAME = "rescore"
EPILOG = "Example: llmood rescore runs/mine --set 'scorers=\\[likelihood.mean]' --set bootstrap.draws=5000"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    sets: options.Set = None,
    seed: options.Seed = None,
    as_json: options.AsJson = False,
    gate: options.GateOption = None,
) -> None:
    """Score a run's stored observations again, and everything after; no model loads."""
    from llmood.cli.printing import finish
    from llmood.cli.progress import Bars
    from llmood.gates import parse_gate
    from llmood.run import rescore

    parsed = [parse_gate(text) for text in gate or []]
    scored = rescore(run, overrides=options.overrides_of(sets, seed=seed), progress=Bars())
    finish(scored, parsed, as_json=as_json)
