"""`llmood ls`: what there is to name in a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from llmood.cli import options
from llmood.cli.errors import handled
from llmood.cli.listing import families, show_table
from llmood.records import SPLITS

if TYPE_CHECKING:
    from llmood.config import BenchmarkSpec, ShiftedTask
    from llmood.scorers.base import Scorer
    from llmood.tasks.source_specs import AnySource
    from llmood.tasks.spec import TaskSpec

PIPED_WIDTH = 100  # of the scorers: a pattern of variants is long, and what a scorer needs longer

app = typer.Typer(
    help="List tasks, benchmarks, corruptions, scorers, calibrators, rules, metrics or engines.",
    no_args_is_help=True,
)


def _show(header: Sequence[str], rows: Sequence[Sequence[str]], *, as_json: bool) -> None:
    from llmood.cli.terminal import print_json

    if as_json:
        print_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        show_table(header, rows)


@app.command("tasks")
@handled
def tasks(include_path: options.IncludePath = None, as_json: options.AsJson = False) -> None:
    """Tasks that a benchmark can name, with the size of each split."""
    from llmood.cli.terminal import print_json
    from llmood.tasks import list_tasks

    specs = list_tasks(include_paths=include_path or [])
    if as_json:
        print_json([_describe_task(spec) for spec in specs])
        return
    rows = [[spec.name, _shown(_splits(spec)), spec.licence or "–", spec.description] for spec in specs]
    show_table(["task", "splits", "licence", "description"], rows)


def _describe_task(spec: TaskSpec) -> dict[str, Any]:
    return {
        "task": spec.name,
        "version": spec.version,
        "description": spec.description,
        "splits": _splits(spec),
        "licence": spec.licence,
        "citation": spec.citation,
        "homepage": spec.homepage,
        "language": spec.language,
        "known_flaws": list(spec.known_flaws),
        "sources": [_describe_source(source) for source in spec.sources],
        "file": str(spec.file),
    }


def _describe_source(source: AnySource) -> dict[str, Any]:
    """What the YAML says of where the rows are, its filters and fields left out."""
    said = source.model_dump(mode="json", exclude={"fields", "where", "where_not", "rows", "splits"})
    return {
        **said,
        "splits": _sizes(source),
        "filtered": bool(source.where or source.where_not),
    }


def _sizes(source: AnySource) -> dict[str, int | None]:
    """How many samples each split has; None where that isn't written down."""
    from llmood.tasks.source_specs import GeneratedSource

    filtered = source.where or source.where_not
    made = source.splits if isinstance(source, GeneratedSource) and not filtered else {}
    return {split: source.rows.get(split, made.get(split)) for split in source.split_names}


def _splits(spec: TaskSpec) -> dict[str, int | None]:
    """The sizes by the first source that has the split."""
    sizes: dict[str, int | None] = {}
    for source in reversed(spec.sources):
        sizes |= _sizes(source)
    return {split: sizes[split] for split in SPLITS if split in sizes}


def _shown(splits: Mapping[str, int | None]) -> str:
    return " · ".join(f"{split} {size:,}" if size is not None else split for split, size in splits.items())


@app.command("benchmarks")
@handled
def benchmarks(include_path: options.IncludePath = None, as_json: options.AsJson = False) -> None:
    """Benchmarks: an ID task and its OOD tasks."""
    from llmood.cli.terminal import print_json
    from llmood.tasks import list_benchmarks

    specs = list_benchmarks(include_paths=include_path or [])
    if as_json:
        print_json([_describe_benchmark(spec) for spec in specs])
        return
    rows = [
        [spec.name, spec.id, ", ".join([*map(_shifted, spec.ood), *_crossed(spec)]) or "–", spec.description]
        for spec in specs
    ]
    show_table(["benchmark", "id", "ood", "description"], rows)


def _describe_benchmark(spec: BenchmarkSpec) -> dict[str, Any]:
    ood = [{**shifted.model_dump(mode="json"), "task": shifted.task or spec.id} for shifted in spec.ood]
    grid = None if spec.grid is None else spec.grid.model_dump(mode="json")
    return {"benchmark": spec.name, "id": spec.id, "ood": ood, "grid": grid, "description": spec.description}


def _shifted(ood: ShiftedTask) -> str:
    if ood.corruption is None:
        return f"{ood.task} ({ood.shift})"
    grade = "" if ood.severity is None else f" {ood.severity}"
    of = "" if ood.task is None else f" of {ood.task}"
    return f"{ood.corruption}{grade}{of} ({ood.shift})"


def _crossed(spec: BenchmarkSpec) -> list[str]:
    if spec.grid is None:
        return []
    grades = ", ".join(map(str, sorted(spec.grid.grades)))
    return [f"{'/'.join(spec.grid.images)} × {'/'.join(spec.grid.texts)} {grades} (covariate)"]


@app.command("scorers")
@handled
def scorers(as_json: options.AsJson = False) -> None:
    """Scorers, with the captures that each needs; --json has a row a variant, and the captures' parameters."""
    from llmood.scorers.base import scorers as registry

    entries = dict(registry)
    rows = {
        name: [name, ", ".join(spec.id for spec in entry.make().needs) or "–", entry.summary]
        for name, entry in entries.items()
    }
    header = ["scorer", "needs", "summary"]
    if as_json:
        _show(header, list(rows.values()), as_json=True)
        return
    found = families({name: (entry.factory, entry.summary) for name, entry in entries.items()})
    grouped = [
        [
            name,
            suffixes or "–",
            entries[name].summary,
            f"needs {_captures(entries[name].make()) or 'no model'}",
        ]
        for name, suffixes in found.items()
    ]
    header = ["scorer", "variants: [.optional|.or this]", "summary", "what it needs (without suffix)"]
    show_table(header, grouped, piped_width=PIPED_WIDTH)


def _captures(scorer: Scorer) -> str:
    """The captures that a scorer reads, each once, without the parameters."""
    return ", ".join(dict.fromkeys(spec.id.partition("?")[0] for spec in scorer.needs))


@app.command("calibrators")
@handled
def calibrators(as_json: options.AsJson = False) -> None:
    """Calibrators, which turn scores into probabilities of a right answer; with what each reads."""
    from llmood.calibrators.base import calibrators as registry
    from llmood.calibrators.base import described

    rows = [[name, *described(calibrator)] for name, calibrator in registry]
    _show(["calibrator", "reads", "arguments", "description"], rows, as_json=as_json)


@app.command("metrics")
@handled
def metrics(as_json: options.AsJson = False) -> None:
    """Metrics, with the direction of a good scorer."""
    from llmood.evaluate_modules import find_module
    from llmood.metrics import metrics_registry

    rows = [
        [
            name,
            metric.question,
            {True: "higher", False: "lower", None: "neither"}[metric.higher_is_better],
            metric.positive_class,
            metric.description,
        ]
        for name, metric in metrics_registry
    ]
    header = ["metric", "question", "better", "positive", "description"]
    if as_json:
        # Where `evaluate.load` finds it: for programs, too long for a person's table.
        modules = [str(find_module(row[0]) or "") for row in rows]
        rows, header = (
            [[*row, module] for row, module in zip(rows, modules, strict=True)],
            [*header, "evaluate_module"],
        )
    _show(header, rows, as_json=as_json)


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


@app.command("rules")
@handled
def rules(as_json: options.AsJson = False) -> None:
    """Rules by which an answer is called right (`correctness`), with their arguments."""
    from llmood.judging.base import rules as registry

    rows = [
        [
            name,
            ", ".join(sorted(rule.reads)),
            ", ".join(f"{argument}={default:g}" for argument, default in rule.options.items()),
            rule.summary,
        ]
        for name, rule in registry
    ]
    _show(["rule", "reads", "arguments", "description"], rows, as_json=as_json)


@app.command("corruptions")
@handled
def corruptions(as_json: options.AsJson = False) -> None:
    """Corruptions that a benchmark can name: of texts and of pictures, with how much of it each grade does."""
    from llmood.tasks.corrupt import CORRUPTIONS
    from llmood.tasks.images.corruptions.base import IMAGE_CORRUPTIONS

    rows = [
        [name, "texts", " · ".join(f"{rate:.0%}" for rate in corruption.rates), corruption.summary]
        for name, corruption in CORRUPTIONS
    ]
    rows += [
        [name, "pictures", " · ".join(corruption.shown), corruption.summary]
        for name, corruption in IMAGE_CORRUPTIONS
    ]
    _show(["corruption", "of", "grades 1 to 5", "description"], rows, as_json=as_json)
