"""`llmood import`: what a model was asked and said elsewhere → scores → metrics → report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options

NAME = "import"
EPILOG = """A row of FILE is one prompt, with what is known of it: prompt, response, prompt_logprobs, response_logprobs,
draws, references, label, correct, confidence, population, shift, … (the row format: `llmood.importing`).

Examples:

  llmood import traffic.jsonl -o runs/traffic

  llmood import ours.jsonl --ood theirs.jsonl --shift near --field prompt=question_text

  llmood import ours.jsonl --train earlier.jsonl --ood theirs.jsonl --shift near

  llmood cache export runs/mine -o mine; llmood import mine -o runs/again
"""


def command(
    file: Annotated[
        Path,
        typer.Argument(
            help="Rows: .jsonl, .json, .csv (each maybe .gz) or .parquet; or a folder of 'cache export'."
        ),
    ],
    ood: Annotated[
        list[Path] | None,
        typer.Option("--ood", help="A file of OOD rows. May be repeated.", rich_help_panel=options.INPUT),
    ] = None,
    shift: Annotated[
        str | None,
        typer.Option(
            "--shift",
            help="Of OOD rows that name none: near, far or covariate.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    train: Annotated[
        list[Path] | None,
        typer.Option(
            "--train",
            help="A file of ID rows to learn from (split 'train'). May be repeated.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="KEY=COLUMN",
            help="The column (or path: a.0.b) that holds a key. May be repeated.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep all other columns, in 'meta'.", rich_help_panel=options.INPUT),
    ] = False,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer",
            help="By default all whose numbers are there. May be repeated.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    sets: options.Set = None,
    seed: options.Seed = None,
    output_dir: options.OutputDir = None,
    as_json: options.AsJson = False,
    no_text: options.NoText = False,
    gate: options.GateOption = None,
) -> None:
    """Make a run of what a model was asked and said elsewhere; no engine, no model."""
    from llmood.cli.gating import run_gates
    from llmood.cli.printing import finish
    from llmood.cli.progress import Bars
    from llmood.cli.terminal import printable
    from llmood.importing import import_file

    parsed = run_gates(gate)
    run = import_file(
        file,
        ood=ood or [],
        train=train or [],
        shift=shift,  # type: ignore[arg-type]  # checked there
        fields=field or [],
        keep=keep,
        scorers=scorer or [],
        text=not no_text,
        overrides=options.overrides_of(sets, seed=seed),
        output_dir=output_dir,
        progress=Bars(),
        command=sys.argv,
    )
    imported = run.manifest["imported"]
    for name, columns in imported.get("columns", {}).items():
        read = ", ".join(key if key == column else f"{key} ← {column}" for key, column in columns.items())
        typer.echo(printable(f"{name}: read {read}"), err=True)
        left = ", ".join(imported["left_out"][name])
        if left:
            typer.echo(printable(f"{name}: left out {left} (--keep puts them into 'meta')"), err=True)
    finish(run, parsed, as_json=as_json)
