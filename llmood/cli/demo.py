"""`llmood demo`: the main job on the worlds that ship with llmood, of words and of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options
from llmood.cli.run import execute

NAME = "demo"
EPILOG = "Needs the extra 'hf', and no network."


def command(
    images: Annotated[
        bool,
        typer.Option(
            "--images",
            help="Questions about small pictures, with a model that sees; four minutes.",
            rich_help_panel=options.INPUT,
        ),
    ] = False,
    sets: options.Set = None,
    limit: options.Limit = None,
    seed: options.Seed = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="The run folder, by default runs/demo, or runs/demo_images.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    as_json: options.AsJson = False,
    no_text: options.NoText = False,
    dry_run: options.DryRun = False,
    gate: options.GateOption = None,
) -> None:
    """Evaluate a small tuned model on a small invented world, in under three minutes."""
    overrides = options.overrides_of(sets, limit=limit, seed=seed, no_text=no_text)
    config = "demo_images" if images else "demo"
    folder = Path("runs", config) if output_dir is None else output_dir
    execute(config, overrides, [], folder, as_json=as_json, dry_run=dry_run, gates=gate or [])
