"""`llmood import`: what a model was asked and said elsewhere → scores → metrics → report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from llmood.cli import options
from llmood.cli.terminal import printable

NAME = "import"
EPILOG = """A row of FILE is one prompt, with what is known of it: prompt, response, prompt_logprobs, response_logprobs,
draws, references, label, correct, confidence, population, shift, … (the row format: `llmood.importing`).

Examples:

  llmood import traffic.jsonl -o runs/traffic

  llmood import ours.jsonl --ood theirs.jsonl --shift near --field prompt=question_text

  llmood import ours.jsonl --train earlier.jsonl --ood theirs.jsonl --shift near

  llmood cache export runs/mine -o mine; llmood import mine -o runs/again
"""

File = Annotated[
    Path,
    typer.Argument(
        help="Rows: .jsonl, .json, .csv (each maybe .gz) or .parquet; or a folder of 'cache export'."
    ),
]
Ood = Annotated[
    list[Path] | None,
    typer.Option("--ood", help="A file of OOD rows. May be repeated.", rich_help_panel=options.INPUT),
]
Shift = Annotated[
    str | None,
    typer.Option(
        "--shift",
        help="Of OOD rows that name none: near, far or covariate.",
        rich_help_panel=options.INPUT,
    ),
]
Train = Annotated[
    list[Path] | None,
    typer.Option(
        "--train",
        help="A file of ID rows to learn from (split 'train'). May be repeated.",
        rich_help_panel=options.INPUT,
    ),
]
Field = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="KEY=COLUMN",
        help="The column (or path: a.0.b) that holds a key. May be repeated.",
        rich_help_panel=options.INPUT,
    ),
]
Keep = Annotated[
    bool,
    typer.Option("--keep", help="Keep all other columns, in 'meta'.", rich_help_panel=options.INPUT),
]
Scorer = Annotated[
    list[str] | None,
    typer.Option(
        "--scorer",
        help="By default all whose numbers are there. May be repeated.",
        rich_help_panel=options.INPUT,
    ),
]


def command(
    file: File,
    ood: Ood = None,
    shift: Shift = None,
    train: Train = None,
    field: Field = None,
    keep: Keep = False,
    scorer: Scorer = None,
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
    _say_what_was_read(run.manifest["imported"])
    finish(run, parsed, as_json=as_json)


def _say_what_was_read(imported: Mapping[str, Any]) -> None:
    for name, columns in imported.get("columns", {}).items():
        read = ", ".join(key if key == column else f"{key} ← {column}" for key, column in columns.items())
        typer.echo(printable(f"{name}: read {read}"), err=True)
        left = ", ".join(imported["left_out"][name])
        if left:
            typer.echo(printable(f"{name}: left out {left} (--keep puts them into 'meta')"), err=True)
