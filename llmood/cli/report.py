"""`llmood report`: the page of one run, of several side by side, or of what a guard decided."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmood.cli import options

if TYPE_CHECKING:
    from llmood.gates import GateResult

NAME = "report"
MODEL_CARD = "MODEL_CARD.md"
EPILOG = (
    "Examples: llmood report runs/mine · llmood report runs/a runs/b -o pages · "
    "llmood report runs/mine --model-card · llmood report --traffic events -o pages"
)


def command(
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders.")] = None,
    traffic: Annotated[
        Path | None,
        typer.Option(
            "--traffic",
            metavar="EVENTS",
            help="The events of a guard ('llmood serve --events') instead: report.html and traffic_metrics.json.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="Where report.html goes: by default the folder of the run or the events, or for several runs the "
            "working directory.",
        ),
    ] = None,
    model_card: Annotated[
        bool,
        typer.Option(
            "--model-card",
            help="Instead print a run's results as a block of a Hugging Face model card; with -o, write MODEL_CARD.md.",
        ),
    ] = False,
    as_json: options.AsJson = False,
    gate: options.GateOption = None,
) -> None:
    """Write report.html anew from a run's files, or from the events of a guard."""
    from llmood.cli.errors import FAILED, GATE_MISSED, reader_may_leave
    from llmood.cli.gating import judge_gates, run_gates
    from llmood.errors import ConfigError
    from llmood.runs import Run

    if traffic is not None:
        _traffic(traffic, runs, output_dir, gate, as_json=as_json, model_card=model_card)
        return
    if not runs:
        raise ConfigError("report: nothing to tell of", hint="name a run's folder, or --traffic EVENTS")
    loaded = [Run(run) for run in runs]
    records = [run.records() for run in loaded]
    parsed = run_gates(gate, chain.from_iterable(records))
    results = [
        result
        for run, own in zip(loaded, records, strict=True)
        for result in judge_gates(parsed, own, run.manifest["models"])
    ]
    with reader_may_leave():
        if model_card:
            _model_card(runs, output_dir, results, as_json=as_json)
        else:
            _report(runs, output_dir, results, as_json=as_json)
    if parsed and not all(run.status == "complete" for run in loaded):
        raise typer.Exit(FAILED)
    if not all(result.held for result in results):
        raise typer.Exit(GATE_MISSED)


def _traffic(
    events: Path,
    runs: Sequence[Path] | None,
    output_dir: Path | None,
    gate: list[str] | None,
    *,
    as_json: bool,
    model_card: bool,
) -> None:
    from llmood.cli.gating import traffic_gates
    from llmood.cli.printing_events import finish
    from llmood.cli.progress import Bars
    from llmood.errors import ConfigError, StoreError
    from llmood.run import WRITING_REPORT
    from llmood.traffic_report import write_traffic_report
    from llmood.traffic_report.latency import TITLES

    if runs or model_card:
        what = "--model-card" if model_card else str(next(iter(runs or [])))
        raise ConfigError(f"--traffic: is not for {what}", hint="leave one of them out")
    gates = traffic_gates(gate, TITLES)
    Bars().say(WRITING_REPORT)
    try:
        report = write_traffic_report(events, output_dir)
    except StoreError as error:
        raise ConfigError(error.message, hint=error.hint) from None
    finish(report, gates, as_json=as_json)


def _report(
    runs: Sequence[Path], output_dir: Path | None, gates: Sequence[GateResult], *, as_json: bool
) -> None:
    from llmood.cli.printing import gates_json, print_gates
    from llmood.cli.progress import Bars
    from llmood.cli.terminal import print_json, say
    from llmood.report import write_report
    from llmood.run import WRITING_REPORT

    page = (output_dir or (runs[0] if len(runs) == 1 else Path())) / "report.html"
    Bars().say(WRITING_REPORT)
    write_report(runs, page)
    if as_json:
        print_json({"report": str(page), "runs": [str(run) for run in runs], "gates": gates_json(gates)})
    else:
        print_gates(gates)
        say(str(page))


def _model_card(
    runs: Sequence[Path], output_dir: Path | None, gates: Sequence[GateResult], *, as_json: bool
) -> None:
    from llmood.cli.printing import gates_json, print_gates
    from llmood.cli.terminal import print_json, say
    from llmood.errors import ConfigError
    from llmood.report.model_card import render_model_card
    from llmood.tables import write_text

    if len(runs) != 1:
        raise ConfigError(f"--model-card: {len(runs)} runs", hint="a card is of one run: name one")
    card = render_model_card(runs[0])
    path = None if output_dir is None else output_dir / MODEL_CARD
    if path is not None:
        write_text(path, card)
    if as_json:
        shown = {"model_card": card, "path": None if path is None else str(path)}
        print_json({**shown, "runs": [str(run) for run in runs], "gates": gates_json(gates)})
    elif path is None:
        # All of stdout is the card: it can be piped into one.
        say(card.removesuffix("\n"))
        with redirect_stdout(sys.stderr):
            print_gates(gates)
    else:
        print_gates(gates)
        say(str(path))
