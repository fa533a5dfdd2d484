"""The options of `llmood init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from llmood.cli import options

DATA, ROWS, MODEL = "Your files", "What their columns are", "Models"


def _column(what: str) -> Any:
    return typer.Option(metavar="NAME", help=what, rich_help_panel=ROWS)


def _split(name: str) -> Any:
    return typer.Option(metavar="FILE", help=f"The file of the split '{name}'.", rich_help_panel=DATA)


File = Annotated[
    Path | None,
    typer.Argument(
        help="JSONL, CSV or Parquet: one file, a name with {split} in it, or a folder with a file a split."
    ),
]
Ood = Annotated[
    list[str] | None,
    typer.Option(
        "--ood",
        metavar="[SHIFT:]FILE|TASK",
        help="OOD questions, 'near:', 'far:' or 'covariate:' before a file or a task. May be repeated.",
        rich_help_panel=DATA,
    ),
]
Train = Annotated[Path | None, _split("train")]
Validation = Annotated[Path | None, _split("validation")]
Test = Annotated[Path | None, _split("test")]
Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        metavar="TEMPLATE",
        help="What the model reads: 'Q: {{ question }}\\nA:', where \\n is a new line.",
        rich_help_panel=ROWS,
    ),
]
TextColumn = Annotated[str | None, _column("The column that the model reads, as it stands.")]
ImageColumn = Annotated[str | None, _column("Of the pictures, or none.")]
ReferenceColumn = Annotated[str | None, _column("Of the accepted answers; none: there are none.")]
LabelColumn = Annotated[str | None, _column("Of what kind a question is, or none.")]
GroupColumn = Annotated[str | None, _column("Of what rows belong to (a document, a person), or none.")]
Base = Annotated[
    str | None, typer.Option("--base", help="The base model: hub name or folder.", rich_help_panel=MODEL)
]
Adapter = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        help="An adapter that is there; else `llmood finetune` makes one.",
        rich_help_panel=MODEL,
    ),
]
Adapters = Annotated[
    int | None,
    typer.Option("--adapters", min=1, help="Tune so many, a seed each.", rich_help_panel=MODEL),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="small|default", help="How to tune.", rich_help_panel=MODEL),
]
Scorers = Annotated[
    str | None,
    typer.Option("--scorers", metavar="A,B", help="Scorers to run.", rich_help_panel=options.INPUT),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", help="Of task and benchmark, by default the file's.", rich_help_panel=options.INPUT
    ),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        "-o",
        help="The folder to write, by default the name's.",
        rich_help_panel=options.OUTPUT,
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace files that are there.", rich_help_panel=options.OUTPUT),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the guesses.")]
