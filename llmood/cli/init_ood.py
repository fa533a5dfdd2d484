"""The OOD tasks of `llmood init`: of the user's files, and built-in ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmood.cli.asking import Asking
from llmood.cli.init_data import NONE, file_name
from llmood.errors import ConfigError, DataError
from llmood.records import SHIFTS, Shift
from llmood.registry import suggest
from llmood.scaffold import Columns, Head, OodDraft, TaskDraft, find_splits, guess, read_head
from llmood.scaffold.answers import rule_for
from llmood.scaffold.columns import column_names
from llmood.scaffold.files import nearest, stem
from llmood.scaffold.surroundings import far_sets_here
from llmood.tasks import list_tasks
from llmood.tasks.prompt import Template

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OodGiven:
    """What one `--ood` says: a file of the user's, or (`head` None) the name of a task that is there.

    `name` is what messages call it; `stem` what the task of a file is called.
    """

    shift: Shift | None
    name: str
    stem: str = ""
    head: Head | None = None


def ood_given(options: Sequence[str]) -> tuple[OodGiven, ...]:
    """What the options say, all read before anything is asked: a mistake in one costs nobody an answer.

    Raises:
        ConfigError: a shift that there isn't.
        DataError: no such file or task, or one that can't be read.
    """
    return tuple(map(_read, options))


def _read(text: str) -> OodGiven:
    shift, path = _shift_and_path(text)
    if "{split}" not in path.name and not path.exists():
        names = [spec.name for spec in list_tasks()]
        if str(path) not in names:
            raise DataError(
                f"--ood {text}: no file '{path}', and no task of this name", hint=nearest(path, also=names)
            )
        return OodGiven(shift, str(path))
    splits = find_splits(path)
    file = splits.get("test", next(iter(splits.values())))
    return OodGiven(shift, str(file), stem(path.resolve()), read_head(file))


def ood_of(
    given: Sequence[OodGiven], id_columns: Columns, name: str, asking: Asking, *, but: Sequence[Path]
) -> tuple[OodDraft, ...]:
    """The OOD tasks: those that the options name, else built-in ones that are on this machine."""
    taken = {file_name(name), *(one.name for one in given if one.head is None)}
    found = [_drafted(one, id_columns, taken, asking) for one in given]
    if not found:
        sets = [task for task in far_sets_here(but=but) if task != name]
        if sets:
            answer = asking.decide(
                "OOD",
                "Built-in sets as far ones (or none)",
                ", ".join(sets),
                guessed="LLMOOD_DATA",
                check=_check_tasks,
            )
            found = [OodDraft(task, "far") for task in _listed(answer)]
        else:
            asking.notes.append(
                "no OOD file: only spoilt questions of your own are measured; add --ood near:FILE or far:FILE, or set "
                "LLMOOD_DATA to a folder with built-in sets"
            )
    return tuple(found)


def _drafted(one: OodGiven, id_columns: Columns, taken: set[str], asking: Asking) -> OodDraft:
    shift = _shift(one, asking)
    if one.head is None:
        return OodDraft(one.name, shift)
    if one.head.unread:
        asking.notes.append(f"rows of {one.name}: {one.head.unread}")
    columns = _alike(id_columns, one.head.rows, Path(one.name))
    if id_columns.images is None:
        columns = replace(columns, images=None)
    elif columns.images is None:
        asking.notes.append(
            f"rows of {one.name}: no column of pictures is found, and each of the ID task has one"
        )
    rule = rule_for(columns, one.head.rows)
    name = _free(file_name(one.stem or "ood"), taken)
    task = TaskDraft(name, {"test": Path(one.name)}, columns, rule)
    shown = columns.prompt or f"the chat turns of '{columns.messages_column}'"
    asking.decisions.append((f"prompt of {one.name}", shown.replace("\n", "\\n"), "its columns"))
    return OodDraft(task, shift)


def _shift(one: OodGiven, asking: Asking) -> Shift:
    def check(answer: str) -> None:
        if answer not in SHIFTS:
            raise ConfigError(f"--ood {one.name}: no shift '{answer}'", hint=suggest(answer, SHIFTS))

    answer = asking.decide(
        f"shift of {one.name}",
        f"Shift of {one.name} (near, far, covariate)",
        "far",
        one.shift,
        guessed="default",
        check=check,
    )
    if one.shift is None and asking.silent:
        asking.notes.append(
            f"{one.name} is taken as far; if it is the same kind of text: --ood near:{one.name}"
        )
    return next(shift for shift in SHIFTS if shift == answer)


def _shift_and_path(text: str) -> tuple[Shift | None, Path]:
    before, colon, after = text.partition(":")
    shift = next((shift for shift in SHIFTS if shift == before), None)
    if shift is None and colon and not Path(text).exists() and re.fullmatch(r"[a-z]+", before):
        raise ConfigError(f"--ood {text}: no shift '{before}'", hint=suggest(before, SHIFTS))
    return (shift, Path(after)) if shift is not None else (None, Path(text))


def _listed(answer: str) -> list[str]:
    return [] if answer in NONE else [part.strip() for part in answer.split(",")]


def _check_tasks(answer: str) -> None:
    names = [spec.name for spec in list_tasks()]
    for name in _listed(answer):
        if name not in names:
            raise ConfigError(f"no task '{name}'", hint=suggest(name, names))


def _alike(pattern: Columns, rows: Sequence[Row], file: Path) -> Columns:
    """The columns of OOD rows, read as the ID rows are: with the same words around the text."""
    known = set(column_names(rows))
    images = pattern.images if pattern.images in known else None
    if pattern.prompt is None:
        return guess(rows, images=images)
    if pattern.reads <= known:
        return guess(rows, prompt=pattern.prompt, images=images)
    found = guess(rows, images=images)
    if found.prompt is None or len(pattern.reads) != 1 or len(found.reads) != 1:
        return found
    (theirs,), (ours,) = pattern.reads, found.reads
    swapped, count = re.subn(rf"(?<![\w.'\"]){re.escape(theirs)}(?!\w)(?=[^{{]*}})", ours, pattern.prompt)
    if count and Template(swapped, place=str(file)).columns == {ours}:
        return guess(rows, prompt=swapped, images=images)
    return found


def _free(name: str, taken: set[str]) -> str:
    found = next(
        each
        for number in range(1, 10_000)
        if (each := name if number == 1 else f"{name}_{number}") not in taken
    )
    taken.add(found)
    return found
