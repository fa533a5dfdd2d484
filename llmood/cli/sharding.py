"""A shard of a run on stdout: what its models were asked, and what is left to do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import typer

from llmood.cli.errors import FAILED, reader_may_leave
from llmood.cli.terminal import print_json, print_table, say
from llmood.errors import ConfigError
from llmood.runs import Run
from llmood.sharding import Shard


def chosen_shard(text: str | None, *, carry: bool, gates: Sequence[str]) -> Shard | None:
    """What `--shard` says.

    Raises:
        ConfigError: it can't be read, or other options go with it that can't, or that can't go without it.
    """
    if text is None:
        if carry:  # said here too for a dry run
            raise ConfigError("--carry: is for a shard", hint="--shard I/N")
        return None
    if gates:
        raise ConfigError("--gate: one shard has no metrics to judge", hint="'llmood merge' takes --gate")
    return Shard.parse(text)


def finish_shard(run: Run, *, as_json: bool) -> None:
    """Print a shard, and end with the exit code that it deserves."""
    with reader_may_leave():
        _print(run, as_json=as_json)
    if run.status != "complete":
        raise typer.Exit(FAILED)


def _print(run: Run, *, as_json: bool) -> None:
    shard, observed = run.manifest["shard"], run.manifest["observed"]
    name = f"{shard['index']}/{shard['count']}"
    whole = run.folder.parent.parent
    rejects = len(run.rejects())
    if as_json:
        print_json(
            {
                "run": str(whole),
                "shard": name,
                "folder": str(run.folder),
                "status": run.status,
                "samples": shard["samples"],
                "of": shard["of"],
                "captures": [{"capture": capture, **counts} for capture, counts in observed.items()],
                "carried": run.manifest["carried"],
                "rejects": rejects,
            }
        )
        return
    print_table(
        ["capture", *next(iter(observed.values()), {})],
        [[capture, *map(str, counts.values())] for capture, counts in observed.items()],
    )
    if rejects:
        say(f"warning: {rejects} rows can't be read; the merged run names them")
    say(f"\nstatus: {run.status}\nshard {name}: {shard['samples']} of {shard['of']} samples, {run.folder}")
    say(f"when all {shard['count']} are there: llmood merge {shlex.quote(str(whole))}")
