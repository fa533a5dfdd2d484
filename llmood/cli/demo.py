"""`llmood demo`: the main job on the world that ships with llmood."""

from __future__ import annotations

from pathlib import Path

from llmood.cli import options
from llmood.cli.run import execute

NAME = "demo"
EPILOG = "Needs the extra 'hf', and no network."


def command(
    sets: options.Set = None,
    limit: options.Limit = None,
    seed: options.Seed = None,
    output_dir: options.OutputDir = Path("runs/demo"),
    as_json: options.AsJson = False,
    no_text: options.NoText = False,
    dry_run: options.DryRun = False,
    gate: options.GateOption = None,
) -> None:
    """Evaluate a small tuned model on a small invented world, in under three minutes."""
    overrides = options.overrides_of(sets, limit=limit, seed=seed, no_text=no_text)
    execute("demo", overrides, [], output_dir, as_json=as_json, dry_run=dry_run, gates=gate or [])
