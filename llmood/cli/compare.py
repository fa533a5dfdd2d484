"""`llmood compare`: paired differences between runs, models or scorers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options

NAME = "compare"
EPILOG = (
    "Examples: llmood compare runs/a runs/b · llmood compare runs/a --scorers likelihood_ratio,likelihood · "
    "llmood compare runs/a runs/b --scorer likelihood_ratio --metric fpr_at_95tpr_ood -o pages"
)


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders: the first against each other one; or one, with --scorers."),
    ],
    scorers: Annotated[
        str | None,
        typer.Option("--scorers", metavar="A,B", help="Of one run: its first scorer against the others."),
    ] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer", help="Of several runs: this scorer; by default all that they share. May be repeated."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="By default auroc ('llmood ls metrics'). May be repeated."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The resamples' seed, by default the first run's.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", help="Write comparison.html and comparison.json there; or a file ….html."
        ),
    ] = None,
    as_json: options.AsJson = False,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            "--gate",
            metavar="CONDITION",
            help="Exit 3 unless it holds: 'auroc_difference\\[scorer=likelihood_ratio] >= -0.01'. May be repeated.",
        ),
    ] = None,
) -> None:
    """Which side detects better, on the samples that both scored."""
    from llmood.cli.comparing import print_comparison
    from llmood.cli.errors import GATE_MISSED, reader_may_leave
    from llmood.cli.gating import comparison_gates, judge_gates
    from llmood.comparison import DEFAULT_METRICS, compare_runs

    gates = comparison_gates(gate)
    chosen = _chosen(runs, scorers, scorer)
    compared = compare_runs(runs, scorers=chosen, metrics=metric or DEFAULT_METRICS, seed=seed)
    roles = [role for side in compared.sides for role in side["models"]]
    results = judge_gates(gates, compared.records, roles)
    page = None if output is None else compared.write(output)
    with reader_may_leave():
        print_comparison(compared, results, page, as_json=as_json)
    if not all(result.held for result in results):
        raise typer.Exit(GATE_MISSED)


def _chosen(runs: list[Path], scorers: str | None, scorer: list[str] | None) -> list[str]:
    from llmood.errors import ConfigError

    if scorers is not None and len(runs) > 1:
        raise ConfigError(
            "--scorers compares scorers of one run", hint="of several runs, choose with --scorer"
        )
    if scorer and len(runs) == 1:
        raise ConfigError(
            "--scorer chooses what several runs share", hint="of one run, name two with --scorers A,B"
        )
    if scorers is not None:
        return [name.strip() for name in scorers.split(",") if name.strip()]
    return list(scorer or [])
