"""`llmood run`: data → model → scores → metrics → report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options

NAME = "run"
EPILOG = """Examples:

  llmood run configs/clinc150.yaml --set models.base=FOLDER --set models.tuned.adapter=FOLDER

  llmood run mine.yaml --limit 200 --dry-run

  llmood run mine.yaml -o runs/mine --shard 0/4

  llmood run mine.yaml -o runs/mine --gate 'auroc\\[scorer=likelihood_ratio,shift=near] >= 0.80'
"""


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a built-in configuration.")],
    sets: options.Set = None,
    limit: options.Limit = None,
    seed: options.Seed = None,
    include_path: options.IncludePath = None,
    output_dir: options.OutputDir = None,
    as_json: options.AsJson = False,
    no_text: options.NoText = False,
    dry_run: options.DryRun = False,
    gate: options.GateOption = None,
    shard: options.ShardOption = None,
    carry: options.Carry = False,
) -> None:
    """Evaluate a configuration, or go on with it where it stopped."""
    overrides = options.overrides_of(sets, limit=limit, seed=seed, no_text=no_text)
    execute(
        config,
        overrides,
        include_path or [],
        output_dir,
        as_json=as_json,
        dry_run=dry_run,
        gates=gate or [],
        shard=shard,
        carry=carry,
    )


def execute(
    config: str,
    overrides: list[str],
    include: list[Path],
    output_dir: Path | None,
    *,
    as_json: bool,
    dry_run: bool,
    gates: list[str],
    shard: str | None = None,
    carry: bool = False,
) -> None:
    """What `run` and `demo` do."""
    from llmood.cli.gating import run_gates
    from llmood.cli.printing import finish
    from llmood.cli.progress import Bars
    from llmood.cli.sharding import chosen_shard, finish_shard
    from llmood.run import evaluate

    parsed = run_gates(gates)
    part = chosen_shard(shard, carry=carry, gates=gates)
    if dry_run:
        from llmood.cli.dry_run import print_dry_run

        print_dry_run(config, overrides, include, output_dir, as_json=as_json, shard=part)
        return
    run = evaluate(
        config,
        output_dir=output_dir,
        overrides=overrides,
        include=include,
        shard=None if part is None else (part.index, part.count),
        carry=carry,
        progress=Bars(),
        command=sys.argv,
    )
    if part is None:
        finish(run, parsed, as_json=as_json)
    else:
        finish_shard(run, as_json=as_json)
