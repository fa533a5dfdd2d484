"""All rows of the imported files: samples in memory, captures in the store, what can't be used as rejects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from llmood.errors import ConfigError, DataError
from llmood.identity import digest
from llmood.importing.captures import Captures
from llmood.importing.columns import Columns
from llmood.importing.files import is_text_table, rows_of, stem_of
from llmood.importing.placing import Place, Placing, Rows, Task
from llmood.importing.rows import Record, read_record
from llmood.progress import Progress
from llmood.records import SPLITS, Check, Reject, Sample, Split
from llmood.tables import SAMPLES
from llmood.tasks.row_errors import RowError
from llmood.tasks.splits import folded_overlap, number_samples, refuse_overlap, shared_groups

ROWS_NAMED = 5  # in a message


@dataclass(frozen=True, slots=True)
class Row:
    """A sample without its id, and what of it the samples table holds beside it."""

    sample: Sample
    prompt: str
    tokens: int | None


class Traffic:
    """Reads files, one after the other.

    Args:
        named: `--field`: key → column.
        keep: put the columns that are no key into `meta`.
    """

    def __init__(
        self, captures: Captures, placing: Placing, named: dict[str, str], *, keep: bool, progress: Progress
    ) -> None:
        self._captures = captures
        self._placing = placing
        self._named = named
        self._keep = keep
        self._progress = progress
        self.rows: list[Row] = []
        self.rejects: list[Reject] = []
        self.columns: dict[str, dict[str, str]] = {}  # of each file: key → column
        self._drawn: dict[str, bool] = {}  # of each row with a list of draws: whether there is one
        self.left: dict[str, list[str]] = {}  # of each file: the columns that nothing reads

    def read(self, path: Path, name: str, rows: Rows) -> None:
        """Read one file.

        Args:
            name: what rejects and messages call it.
            rows: what its rows are that don't say it.

        Raises:
            DataError: it can't be read as a whole, or no row of it can be used.
        """
        self._progress.say(f"reading {path}")
        columns = Columns(self._named, from_text=is_text_table(path))
        ids: dict[str, int] = {}
        before, lost = len(self.rows), len(self.rejects)
        for found in rows_of(path, name):
            if isinstance(found, Reject):
                self.rejects.append(found)
                continue
            line, row = found
            try:
                keys, others = columns.read(row)
                record = read_record(keys, others if self._keep else None)
                _once(record.id, ids, line)
                if "draws" in keys:
                    self._drawn[f"{name}:{line}"] = bool(record.draws)
                self._add(record, self._placing.place(keys, stem_of(path), rows, name, line), name, line)
            except RowError as error:
                self.rejects.append(Reject(name, line, str(error)))
        if len(self.rows) == before:
            raise _nothing(name, self.rejects[lost:], columns.left)
        self.columns[name] = columns.used
        self.left[name] = [] if self._keep else list(columns.left)

    def _add(self, record: Record, place: Place, name: str, line: int) -> None:
        at = f"{name}:{line}"
        position = len(self.rows)
        place.task.rows.setdefault(place.split, []).append(position)
        place.task.files[name] = None
        sample = Sample(
            "", place.task.name, place.split, record.messages, source_line=at, **record.attributes
        )
        tokens = record.prompt_tokens
        self.rows.append(Row(sample, record.text, tokens.count if tokens else None))
        self._captures.add_record(position, record)

    def tasks(self) -> list[Task]:
        """The populations, the ID task first, each with how many rows of its file can't be used.

        Raises:
            ConfigError: there is no ID task, there are two, or an OOD task is made of its prompts.
            DataError: the ID task has no row to measure on.
        """
        self._refuse_empty_draws()
        tasks = self._placing.ordered()
        self._refuse_id_prompts(tasks)
        self._placing.count_rejects(self.rejects)
        return tasks

    def _refuse_empty_draws(self) -> None:
        if self._drawn and not any(self._drawn.values()):
            places = list(self._drawn)
            more = f" and {len(places) - ROWS_NAMED} more" if len(places) > ROWS_NAMED else ""
            raise ConfigError(
                f"draws: every list is empty, in {', '.join(places[:ROWS_NAMED])}{more}",
                hint="give the texts that were drawn, or leave the column out",
            )

    def _refuse_id_prompts(self, tasks: Sequence[Task]) -> None:
        """The ID task under another name is no OOD task. A grade of a shift may change nothing."""
        known = self._prompts(tasks[0])
        for task in tasks[1:]:
            if task.family is None and self._prompts(task) <= known:
                raise ConfigError(
                    f"{' and '.join(task.files)}: every prompt of the OOD task '{task.name}' is one of the ID task "
                    f"'{tasks[0].name}'",
                    hint="name a file of other prompts with --ood, or import the rows without it",
                )

    def _prompts(self, task: Task) -> set[str]:
        return {self.rows[position].prompt for places in task.rows.values() for position in places}

    def samples(self, tasks: Sequence[Task]) -> tuple[pa.Table, dict[int, str]]:
        """The samples table, what is measured first, and the id of each position in its order."""
        ids: dict[int, str] = {}
        table: list[dict[str, Any]] = []
        parts = [(task, "test") for task in tasks]
        parts += [(task, split) for task in tasks for split in SPLITS if split != "test"]
        for task, split in parts:
            positions = task.rows.get(split, [])  # type: ignore[call-overload]
            for position, sample in zip(
                positions, number_samples(self.rows[place].sample for place in positions), strict=True
            ):
                ids[position] = sample.sample_id
                table.append(_sample_row(task, replace(self.rows[position], sample=sample)))
        return pa.Table.from_pylist(table, schema=SAMPLES), ids

    def checks(self, task: Task) -> list[Check]:
        """What there is to say of a task's splits.

        Raises:
            ConfigError: two of them share content.
        """
        splits: dict[Split, list[Sample]] = {
            split: [self.rows[position].sample for position in positions]
            for split, positions in task.rows.items()
        }
        refuse_overlap(task.name, splits)
        return [*folded_overlap(task.name, splits), *shared_groups(task.name, splits)]


def _once(name: str | None, ids: dict[str, int], line: int) -> None:
    if name is None:
        return
    first = ids.setdefault(name, line)
    if first != line:
        raise RowError(f"the id '{name[:40]}' stands at line {first} too")


def _nothing(name: str, rejects: list[Reject], columns: dict[str, None]) -> DataError:
    if not rejects:
        return DataError(f"{name}: holds no row")
    first = rejects[0]
    message = f"{name}: none of its {len(rejects)} rows can be used; line {first.line}: {first.reason}"
    if "--field" in first.reason:  # it says itself what to do
        return DataError(message)
    found = ", ".join(list(columns)[:8])
    return DataError(message, hint=f"name its columns: --field prompt=… (it has {found})" if found else None)


def _sample_row(task: Task, row: Row) -> dict[str, Any]:
    sample = row.sample
    return {
        "sample_id": sample.sample_id,
        "task": sample.task,
        "population": task.population,
        "split": sample.split,
        "shift": task.shift,
        "severity": sample.severity,
        "domain": sample.domain,
        "label": sample.label,
        "group": sample.group,
        "parent_id": sample.parent_id,
        "language": sample.language,
        "messages": json.dumps([message.to_json() for message in sample.messages], ensure_ascii=False),
        "prompt": row.prompt,
        "prompt_hash": digest(row.prompt),
        "references": list(sample.references),
        "choices": list(sample.choices),
        "images": [],
        "meta": json.dumps(dict(sample.meta), ensure_ascii=False, sort_keys=True),
        "source_line": sample.source_line,
        "prompt_tokens": row.tokens,
    }
