"""`llmood score`: records of traffic → scores, p-values, flags."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import options

NAME = "score"
EPILOG = """A record has 'text', 'prompt' (to the letter), 'messages', or the columns of the task that the detector was
fitted on, and maybe 'response'. The same command goes on where it was killed.

Examples:

  llmood score detector traffic.jsonl -o scored.jsonl

  llmood score detector traffic.parquet -o scored.parquet --keep user --gate 'flag_rate <= 0.10'

  tail -f questions.jsonl | llmood score detector - --chunk 1 > scored.jsonl
"""

Source = Annotated[
    str, typer.Argument(metavar="FILE", help=".jsonl, .csv (each maybe .gz) or .parquet; '-': JSONL on stdin.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="A .jsonl, .csv or .parquet file; by default JSONL on stdout, which can't be resumed.",
        rich_help_panel=options.OUTPUT,
    ),
]
ModelPath = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="ROLE=FOLDER",
        help="Where a model is, if it isn't where it was; it must be the same. May be repeated.",
        rich_help_panel=options.INPUT,
    ),
]
EngineKind = Annotated[
    str | None,
    typer.Option("--engine", help="Another engine than it was fitted on.", rich_help_panel=options.INPUT),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="COLUMN",
        help="A column of the input to copy; 'id' always is. May be repeated.",
        rich_help_panel=options.OUTPUT,
    ),
]
Chunk = Annotated[
    int | None,
    typer.Option("--chunk", min=1, help="Rows scored at a time.", rich_help_panel=options.INPUT),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Begin the output file anew.", rich_help_panel=options.OUTPUT),
]


def command(
    detector: Annotated[Path, typer.Argument(help="A folder that 'llmood fit' made.")],
    file: Source,
    output: Output = None,
    model: ModelPath = None,
    engine: EngineKind = None,
    keep: Keep = None,
    chunk: Chunk = None,
    overwrite: Overwrite = False,
    as_json: options.AsJson = False,
    gate: options.GateOption = None,
) -> None:
    """Score records with a detector: which of them are outside of what the model was tuned for?"""
    from llmood.cli.gating import traffic_gates
    from llmood.cli.printing_traffic import finish, writer_to
    from llmood.cli.progress import Bars
    from llmood.detector import load_detector
    from llmood.errors import ConfigError
    from llmood.traffic import score_file, score_stream, scoring_by
    from llmood.traffic.reading import STDIN, rows_of_file, rows_of_stream

    gates = traffic_gates(gate)
    if as_json and output is None:
        raise ConfigError("--json: rows are on stdout already", hint="-o FILE takes them, or leave --json out")
    if output is not None and file == STDIN:
        raise ConfigError("-o: stdin can't be resumed", hint="send the rows to stdout: > FILE")
    loaded = load_detector(detector, models=_paths(model or []), engine=engine)
    progress = Bars()
    with loaded.open() as verdicts:
        scoring = scoring_by(loaded, verdicts, keep=keep or [], chunk=chunk)
        if output is not None:
            summary = score_file(scoring, Path(file), output, progress, overwrite=overwrite).summary
        else:
            rows = rows_of_stream(sys.stdin.buffer) if file == STDIN else rows_of_file(Path(file))
            summary = score_stream(scoring, rows, writer_to(sys.stdout), progress)
    finish(summary, gates, output, as_json=as_json)


def _paths(given: list[str]) -> dict[str, str]:
    from llmood.errors import ConfigError

    found = {}
    for each in given:
        role, equals, path = each.partition("=")
        if not equals or not role or not path:
            raise ConfigError(f"--model {each!r}: is not ROLE=FOLDER", hint="--model base=models/base")
        found[role] = path
    return found
