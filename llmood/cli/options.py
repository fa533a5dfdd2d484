"""The options that commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INPUT, OUTPUT = "What to run", "What to write"

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key: models.base=FOLDER. May be repeated.",
        rich_help_panel=INPUT,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "-L",
        min=1,
        help="At most so many samples per split and task, drawn by hash.",
        rich_help_panel=INPUT,
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="The run's seed.", rich_help_panel=INPUT)]
IncludePath = Annotated[
    list[Path] | None,
    typer.Option(
        "--include-path", help="A folder with tasks and benchmarks of yours.", rich_help_panel=INPUT
    ),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(
        "--output-dir", "-o", help="The run folder, by default runs/NAME-HASH.", rich_help_panel=OUTPUT
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of a table.", rich_help_panel=OUTPUT)
]
NoText = Annotated[
    bool,
    typer.Option(
        "--no-text", help="Private data: write hashes, no text, in every file.", rich_help_panel=OUTPUT
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be run, and how long it may take; load no model."),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Of N shards only the I-th, counted from 0, in a job of its own; 'llmood merge' makes the run of them.",
        rich_help_panel=INPUT,
    ),
]
Carry = Annotated[
    bool,
    typer.Option(
        "--carry",
        help="With --shard: copy what was observed into the shard's folder, for a merge where its store isn't.",
        rich_help_panel=OUTPUT,
    ),
]
GateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        metavar="CONDITION",
        help="Exit 3 unless it holds: 'auroc\\[scorer=likelihood_ratio,shift=near] >= 0.80'. Every record that it "
        "names must hold, by its value. May be repeated.",
    ),
]


def overrides_of(
    sets: list[str] | None, *, limit: int | None = None, seed: int | None = None, no_text: bool = False
) -> list[str]:
    """`--set` and the options that are short for one, in the order in which they win."""
    found = list(sets or [])
    if limit is not None:
        found.append(f"limit={limit}")
    if seed is not None:
        found.append(f"seed={seed}")
    if no_text:
        found.append("text=false")
    return found
