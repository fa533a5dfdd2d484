"""`llmood ls`: what there is to name in a configuration."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from llmood.cli import options
from llmood.cli.errors import handled

app = typer.Typer(help="List tasks, benchmarks, scorers, metrics or engines.", no_args_is_help=True)


def _show(header: Sequence[str], rows: Sequence[Sequence[str]], *, as_json: bool) -> None:
    from llmood.cli.terminal import print_json, print_table

    if as_json:
        print_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        print_table(header, rows)


@app.command("tasks")
@handled
def tasks(include_path: options.IncludePath = None, as_json: options.AsJson = False) -> None:
    """Tasks that a benchmark can name."""
    from llmood.tasks import list_tasks

    rows = [
        [
            spec.name,
            ",".join(dict.fromkeys(split for source in spec.sources for split in source.split_names)),
            spec.licence or "–",
            spec.description,
        ]
        for spec in list_tasks(include_paths=include_path or [])
    ]
    _show(["task", "splits", "licence", "description"], rows, as_json=as_json)


@app.command("benchmarks")
@handled
def benchmarks(include_path: options.IncludePath = None, as_json: options.AsJson = False) -> None:
    """Benchmarks: an ID task and its OOD tasks."""
    from llmood.tasks import list_benchmarks

    rows = [
        [spec.name, spec.id, ", ".join(f"{ood.task} ({ood.shift})" for ood in spec.ood), spec.description]
        for spec in list_benchmarks(include_paths=include_path or [])
    ]
    _show(["benchmark", "id", "ood", "description"], rows, as_json=as_json)


@app.command("scorers")
@handled
def scorers(as_json: options.AsJson = False) -> None:
    """Scorers, with the captures that each needs."""
    from llmood.scorers.base import scorers as registry

    rows = [
        [name, ", ".join(spec.id for spec in entry.make().needs) or "–", entry.summary]
        for name, entry in registry
    ]
    _show(["scorer", "needs", "summary"], rows, as_json=as_json)


@app.command("metrics")
@handled
def metrics(as_json: options.AsJson = False) -> None:
    """Metrics, with the direction of a good scorer."""
    from llmood.metrics import metrics_registry

    rows = [
        [
            name,
            metric.question,
            "higher" if metric.higher_is_better else "lower",
            metric.positive_class,
            metric.description,
        ]
        for name, metric in metrics_registry
    ]
    _show(["metric", "question", "better", "positive", "description"], rows, as_json=as_json)


@app.command("engines")
@handled
def engines(as_json: options.AsJson = False) -> None:
    """Engines, with what each can capture."""
    from llmood.engines.base import engines as registry

    rows = [
        [name, ", ".join(f"{kind}/{target}" for kind, target in sorted(engine.captures))]
        for name, engine in registry
    ]
    _show(["engine", "captures"], rows, as_json=as_json)
