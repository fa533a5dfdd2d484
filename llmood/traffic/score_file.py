"""Score the rows of a file or a stream, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from llmood import interrupts
from llmood.detector.verdicts import CHUNK_ROWS
from llmood.errors import ConfigError
from llmood.progress import Progress
from llmood.traffic.formats import check_suffix, write_rows
from llmood.traffic.progress_file import ProgressFile
from llmood.traffic.reading import Input, Row, chunks
from llmood.traffic.scoring import Scored, Scoring
from llmood.traffic.summary import Summary


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """What became of a file: where its rows are, and what they look like as a whole."""

    path: Path
    summary: Summary


def score_stream(
    scoring: Scoring,
    rows: Iterator[Row],
    write: Callable[[Sequence[Scored]], None],
    summary: Summary,
    progress: Progress,
) -> Summary:
    """Score rows as they come (`rows_of_stream`, `Input.rows`); what is scored is handed on at once."""
    with progress.track("scoring", None, unit="rows") as advance:
        for some in _checked(scoring, chunks(rows, scoring.chunk), progress):
            scored = scoring.score(some)
            summary.update(scored)
            write(scored)
            advance(len(some))
            interrupts.check()
    return summary


def score_file(
    scoring: Scoring,
    source: Input,
    output: Path,
    summary: Summary,
    progress: Progress,
    *,
    overwrite: bool = False,
    finish: Callable[[Summary], None] = lambda _: None,
) -> ScoredFile:
    """Score a file into another, or go on where that broke off: no row is scored twice into it, and none is left out.

    Args:
        finish: what else is to be written of the summary before nothing is left to go on with.

    Raises:
        ConfigError: the output is there already, or was begun with another input or detector.
        DataError: the input can't be read as a whole.
        StoreError: the disk takes no more; what is scored is kept.
    """
    check_suffix(output)
    if output.exists() and output.samefile(source.path):
        raise ConfigError(f"{output}: is the input itself", hint="choose another file with -o")
    if output.exists() and not output.is_file():
        raise ConfigError(f"{output}: is no file", hint="choose another with -o")
    identity = {
        "input": source.identity(),
        "detector": scoring.identity,
        "columns": scoring.columns.names,
        "labels": dict(scoring.labels),
        "batch": scoring.batch,
    }
    partial = ProgressFile(output, identity)
    if output.exists() and not partial.state_path.exists() and not overwrite:
        raise ConfigError(f"{output}: is there already", hint="choose another file with -o, or --overwrite")
    with partial.opened(anew=overwrite):
        for some in _batches(partial.read()):
            summary.update(some)
        _score_rest(scoring, source, partial, summary, progress)
        progress.say(f"writing {output}")
        write_rows(output, partial.lines(), scoring.columns)
        finish(summary)
        partial.remove()
    return ScoredFile(output, summary)


def _score_rest(
    scoring: Scoring, source: Input, partial: ProgressFile, summary: Summary, progress: Progress
) -> None:
    done = partial.rows
    left = chunks(islice(source.rows(), done, None), scoring.chunk)
    with progress.track("scoring", source.count(), done=done, unit="rows") as advance:
        for rows in left if done else _checked(scoring, left, progress):
            scored = scoring.score(rows)
            partial.append(scored)
            summary.update(scored)
            advance(len(rows))
            interrupts.check()


def _checked(scoring: Scoring, rows: Iterator[list[Row]], progress: Progress) -> Iterator[list[Row]]:
    first = next(rows, None)
    if first is None:
        return
    scoring.check(first)
    for name in scoring.absent(first):
        progress.say(f"--keep {name}: none of the first {len(first)} rows has that column")
    yield from chain([first], rows)


def _batches(rows: Iterator[Scored]) -> Iterator[list[Scored]]:
    while some := list(islice(rows, CHUNK_ROWS)):
        yield some
