"""`llmood cache`: the one store of all observations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options
from llmood.cli.errors import FAILED, handled
from llmood.errors import ConfigError

app = typer.Typer(help="Look at, check, thin out or export the observation store.", no_args_is_help=True)


@app.command("ls")
@handled
def ls(as_json: options.AsJson = False) -> None:
    """What the store holds: a line for each model, engine, capture and its settings; one each for what lies beside."""
    from llmood.cli.terminal import print_json, print_table, say
    from llmood.engines.beside import Beside
    from llmood.engines.store import Store

    store = Store()
    summaries = [*store.summaries(), *Beside(store).summaries()]
    if as_json:
        print_json([summary.to_json() for summary in summaries])
        return
    rows = [
        [
            s.capture,
            s.engine,
            s.weights[:8],
            s.adapter[:8],
            str(s.rows),
            str(s.shards),
            _size(s.size),
            s.modified,
        ]
        for s in summaries
    ]
    print_table(
        ["capture", "engine", "weights", "adapter", "rows", "shards", "size", "last written (UTC)"], rows
    )
    say(f"{store.root}: {_size(sum(summary.size for summary in summaries))}")


@app.command("verify")
@handled
def verify(as_json: options.AsJson = False) -> None:
    """Read every shard and compare it with the digest in its name, and what lies beside; exit 1 if one is damaged."""
    from llmood.cli.terminal import print_json, say
    from llmood.engines.beside import Beside
    from llmood.engines.store import Store

    store = Store()
    shards = len(store.shards())
    broken = [*store.broken(), *Beside(store).broken()]
    if as_json:
        print_json(
            {"shards": shards, "broken": [{"file": str(path), "reason": reason} for path, reason in broken]}
        )
    else:
        for path, reason in broken:
            say(f"{path}: {reason}")
        say(f"{shards} shards, {len(broken)} damaged files")
    if broken:
        typer.echo("llmood: 'llmood cache prune --broken' removes them; runs make them anew", err=True)
        raise typer.Exit(FAILED)


@app.command("prune")
@handled
def prune(
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", metavar="DAYS", min=0, help="What was written before that many days."),
    ] = None,
    broken: Annotated[bool, typer.Option("--broken", help="Damaged and half-written files.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove observations. Runs keep their scores; scoring them again needs the observations."""
    from llmood.cli.terminal import print_json, say
    from llmood.engines.beside import Beside
    from llmood.engines.store import Store

    if not (older_than is not None or broken or everything):
        raise ConfigError("cache prune: say what to remove", hint="--older-than DAYS, --broken or --all")
    store, beside = Store(), Beside(Store())
    chosen = [path for path, _ in (*store.broken(), *beside.broken())] if broken else []
    if everything:
        chosen += store.shards() + beside.everything()
    elif older_than is not None:
        chosen += store.older_than(older_than) + beside.older_than(older_than)
    chosen = sorted({*chosen, *beside.orphans(chosen)})
    size = sum(path.stat().st_size for path in chosen)
    if not dry_run:
        store.remove(chosen)
    if as_json:
        print_json({"removed": not dry_run, "files": [str(path) for path in chosen], "bytes": size})
        return
    say(f"{'would remove' if dry_run else 'removed'} {len(chosen)} files, {_size(size)}")


@app.command("export")
@handled
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="Where to write, by default RUN/observations/export."),
    ] = None,
    rows: Annotated[
        bool, typer.Option("--jsonl", help="One JSONL file in the row format of 'llmood import' instead.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write a run's samples and observations as Parquet, one file a capture; 'llmood import' reads them back."""
    from llmood.cli.terminal import print_json, say
    from llmood.export import export_rows, export_run

    target = output_dir or run / "observations" / "export"
    written = []
    if rows:
        path = target / "rows.jsonl"
        count, left = export_rows(run, path)
        written.append({"file": str(path), "rows": count})
        if left:
            typer.echo(f"llmood: left out, rows have no place for it: {', '.join(left)}", err=True)
    else:
        written += [{"file": str(path), "rows": count} for path, count in export_run(run, target)]
    if as_json:
        print_json(written)
        return
    for entry in written:
        say(f"{entry['file']}: {entry['rows']} rows")


def _size(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
