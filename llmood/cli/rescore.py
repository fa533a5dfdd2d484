"""`llmood rescore`: scores, metrics and report again, from what the run stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmood.cli import options

if TYPE_CHECKING:
    from llmood.runs import Run

NAME = "rescore"
EPILOG = """Examples:

  llmood rescore runs/mine --set 'scorers=\\[likelihood.mean]' --set bootstrap.draws=5000

  llmood rescore runs/mine --set 'scorers+=\\[likelihood.mean]'

Scores that are not asked for again leave the run; 'scorers+=' adds to those of its configuration.
"""


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    sets: options.Set = None,
    seed: options.Seed = None,
    as_json: options.AsJson = False,
    gate: options.GateOption = None,
) -> None:
    """Score a run's stored observations again, and everything after; no model loads."""
    from llmood.cli.gating import run_gates
    from llmood.cli.printing import finish
    from llmood.cli.progress import Bars
    from llmood.cli.terminal import printable
    from llmood.rescoring import rescore
    from llmood.runs import Run

    before = Run(run)
    parsed = run_gates(gate)
    asked = _asked(before) if (run / "scores.parquet").is_file() else []
    scored = rescore(run, overrides=options.overrides_of(sets, seed=seed), progress=Bars())
    gone = [name for name in asked if name not in _asked(scored)]
    if gone:
        again = "'llmood run …' or rescore with them brings them back, no model loads"
        typer.echo(printable(f"scores of {', '.join(gone)} are no longer in {run}: {again}"), err=True)
    finish(scored, parsed, as_json=as_json)


def _asked(run: Run) -> list[str]:
    """The scorers that its scores were asked for, without the baselines: those are always there."""
    from llmood.scorers.baselines import BASELINES

    choices = run.scored_config.scorers
    names = [choice if isinstance(choice, str) else next(iter(choice)) for choice in choices]
    return [name for name in names if name not in BASELINES]
