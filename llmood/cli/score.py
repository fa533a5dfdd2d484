"""`llmood score`: records of traffic → scores, p-values, flags."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from llmood.cli import detector_options, options

NAME = "score"
MOST = 10_000_000  # rows at a time
KNOWN = "What is known of the rows"
EPILOG = """A record has 'text', 'prompt' (to the letter), 'messages', or the columns of the task that the detector was
fitted on, and maybe 'response'. The same command goes on where it was killed.

Examples:

  llmood score detector traffic.jsonl -o scored.jsonl

  llmood score detector traffic.parquet -o scored.parquet --keep user --gate 'flag_rate <= 0.10'

  tail -f questions.jsonl | llmood score detector - --chunk 1 > scored.jsonl
"""

Source = Annotated[
    str,
    typer.Argument(metavar="FILE", help=".jsonl, .csv (each maybe .gz) or .parquet; '-': JSONL on stdin."),
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
    typer.Option("--chunk", min=1, max=MOST, help="Rows scored at a time.", rich_help_panel=options.INPUT),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Begin the output file anew.", rich_help_panel=options.OUTPUT),
]
Correct = Annotated[
    str | None,
    typer.Option(
        "--correct",
        metavar="COLUMN",
        help="A column that says whether the answer is right: how good are the answers that aren't flagged?",
        rich_help_panel=KNOWN,
    ),
]
Ood = Annotated[
    str | None,
    typer.Option(
        "--ood",
        metavar="COLUMN",
        help="A column that says whether the row is out of domain: how many false alarms, how many found?",
        rich_help_panel=KNOWN,
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        metavar="N",
        min=1,
        max=MOST,
        help="In each N rows, also flag so that few of the flags are false (Benjamini–Hochberg): batch_flag.",
        rich_help_panel=options.OUTPUT,
    ),
]
Format = Annotated[
    Literal["jsonl", "csv", "parquet"] | None,
    typer.Option("--format", help="Of FILE, where its name doesn't say it.", rich_help_panel=options.INPUT),
]
Delimiter = Annotated[
    str,
    typer.Option("--delimiter", help="Between the cells of CSV.", rich_help_panel=options.INPUT),
]
SummaryFile = Annotated[
    Path | None,
    typer.Option("--summary", help="Write the summary here as JSON.", rich_help_panel=options.OUTPUT),
]


def command(
    detector: Annotated[Path, typer.Argument(help="A folder that 'llmood fit' made.")],
    file: Source,
    output: Output = None,
    summary_file: SummaryFile = None,
    file_format: Format = None,
    delimiter: Delimiter = ",",
    model: detector_options.ModelPath = None,
    engine: detector_options.EngineKind = None,
    keep: Keep = None,
    correct: Correct = None,
    ood: Ood = None,
    batch: Batch = None,
    chunk: Chunk = None,
    overwrite: Overwrite = False,
    as_json: options.AsJson = False,
    gate: options.GateOption = None,
) -> None:
    """Score records with a detector: which of them are outside of what the model was tuned for?"""
    from llmood.cli.gating import traffic_gates
    from llmood.cli.printing_traffic import finish, warn_of_engine, write_summary, writer_to
    from llmood.cli.progress import Bars
    from llmood.detector.detector import load_detector
    from llmood.traffic import score_file, score_stream
    from llmood.traffic.by_detector import scoring_by, summary_of
    from llmood.traffic.labels import CORRECT, OOD
    from llmood.traffic.reading import STDIN, Input, rows_of_stream

    gates = traffic_gates(gate)
    _check(file, output, file_format, delimiter, as_json=as_json)
    if summary_file is not None:
        _check_summary(summary_file, file, output, detector)
    source = Input(Path(file), file_format, delimiter)
    labels = {name: column for name, column in ((CORRECT, correct), (OOD, ood)) if column}
    if file != STDIN:
        source.check([*(keep or []), *labels.values()])
    loaded = load_detector(detector, models=detector_options.model_paths(model), engine=engine)
    progress = Bars()
    warn_of_engine(loaded.differs)
    with loaded.open(folder=Path() if file == STDIN else Path(file).parent) as verdicts:
        scoring = scoring_by(loaded, verdicts, keep=keep or [], labels=labels, batch=batch, rows=chunk)
        summary = summary_of(loaded, scoring)
        last = partial(write_summary, summary_file, gates, output=output)
        if output is not None:
            score_file(scoring, source, output, summary, progress, overwrite=overwrite, finish=last)
        else:
            rows = rows_of_stream(sys.stdin.buffer) if file == STDIN else source.rows()
            score_stream(scoring, rows, writer_to(sys.stdout), summary, progress)
            last(summary)
    finish(summary, gates, output, as_json=as_json)


def _check(file: str, output: Path | None, file_format: str | None, delimiter: str, *, as_json: bool) -> None:
    from llmood.errors import ConfigError
    from llmood.traffic.reading import STDIN

    if as_json and output is None:
        raise ConfigError(
            "--json: rows are on stdout already", hint="-o FILE takes them, or leave --json out"
        )
    if file == STDIN and sys.stdin is None:
        raise ConfigError("-: stdin is closed", hint="name a file")
    if output is None and sys.stdout is None:
        raise ConfigError("rows have nowhere to go: stdout is closed", hint="-o FILE takes them")
    if file == STDIN and output is not None:
        raise ConfigError("-o: stdin can't be resumed", hint="send the rows to stdout: > FILE")
    if file == STDIN and file_format not in (None, "jsonl"):
        raise ConfigError(f"--format {file_format}: stdin is JSONL")
    if len(delimiter) != 1 or delimiter in '\n\r"':
        raise ConfigError(f"--delimiter {delimiter!r}: one character is needed", hint="--delimiter ';'")


def _check_summary(path: Path, file: str, output: Path | None, detector: Path) -> None:
    """Refuse to write the summary over what is read or written here."""
    from llmood.errors import ConfigError

    taken = {"the input itself": Path(file), "the output itself": output}
    what = next((name for name, other in taken.items() if other is not None and _same(path, other)), None)
    if path.exists() and not path.is_file():
        what = "no file"
    elif detector.resolve() in path.resolve().parents:
        what = "in the detector's folder"
    if what is not None:
        raise ConfigError(f"--summary {path}: is {what}", hint="name another file")


def _same(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other))
