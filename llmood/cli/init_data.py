"""What `llmood init` finds in the user's files: rows, columns, OOD tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from llmood.cli.asking import Asking
from llmood.errors import ConfigError
from llmood.records import SHIFTS, Shift, Split
from llmood.registry import suggest
from llmood.scaffold import Columns, OodDraft, TaskDraft, find_splits, guess, read_head, text_template
from llmood.scaffold.columns import column_names
from llmood.scaffold.files import columns_of, stem
from llmood.scaffold.surroundings import far_sets_here
from llmood.tasks.prompt import RowError, Template

NONE = ("", "none")
RESERVED = ("config", "benchmark")

Row = Mapping[str, Any]
Profile = Literal["default", "small"]


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say; None and empty: nothing."""

    file: Path | None = None
    splits: Mapping[Split, Path] | None = None
    ood: tuple[str, ...] = ()
    prompt: str | None = None
    text_column: str | None = None
    columns: Mapping[str, str] | None = None
    base: str | None = None
    adapter: str | None = None
    adapters: int | None = None
    profile: Profile | None = None
    scorers: tuple[str, ...] | None = None
    name: str | None = None
    folder: Path | None = None


def rows_of(files: Mapping[Split, Path], asking: Asking) -> list[dict[str, Any]]:
    """The first rows of every file, to guess from."""
    heads = {split: read_head(path) for split, path in files.items()}
    for split, head in heads.items():
        shown = f"{files[split]} ({head.count} rows)"
        asking.decisions.append((split, shown, "its name" if len(files) > 1 else "the only file"))
        if head.first_reject is not None:
            asking.notes.append(
                f"{head.rejects} rows of {files[split]} can't be read, the first: line {head.first_reject.line}: "
                f"{head.first_reject.reason}"
            )
    if "train" in files and "test" not in files:
        asking.notes.append("test, validation and calibration are carved from train, by a hash of the text")
    return columns_of(heads)


def columns_of_id(given: Given, rows: Sequence[Row], asking: Asking) -> Columns:
    """What the ID rows' columns are."""
    known = column_names(rows)
    # A shell has no simple way to write a line feed.
    template = given.prompt.replace("\\n", "\n") if given.prompt is not None else None
    if given.text_column is not None:
        _check_column("--text-column", given.text_column, known)
        template = text_template(given.text_column)
    if template is not None:
        _check_prompt(template, rows, "--prompt" if given.prompt is not None else "--text-column")
    found = guess(rows, prompt=template)
    asking.notes += found.notes
    if found.messages_column is not None:
        column = found.messages_column
        asking.decisions.append(("prompt", f"the chat turns of '{column}'", "its rows"))
    else:
        shown = (found.prompt or "").replace("\n", "\\n")
        option = shown if template is not None else None
        said = asking.decide("prompt", "Prompt (a template)", shown, option, guessed="its columns")
        chosen = template if template is not None else said.replace("\\n", "\n")
        if chosen != found.prompt:
            _check_prompt(chosen, rows, "prompt")
            found = guess(rows, prompt=chosen)
    changed: dict[str, str | None] = {}
    for field in ("references", "label", "group"):
        option = (given.columns or {}).get(field)
        answer = asking.decide(
            field, f"Column of the {field}", getattr(found, field) or "none", option, guessed="its columns"
        )
        changed[field] = None if answer in NONE else answer
        if answer not in NONE and "{" not in answer:
            _check_column(f"--{field.removesuffix('s')}-column", answer, known)
    return replace(found, references=changed["references"], label=changed["label"], group=changed["group"])


def _check_column(place: str, column: str, known: Sequence[str]) -> None:
    if column not in known:
        raise ConfigError(f"{place}: no column '{column}'", hint=suggest(column, known))


def _check_prompt(prompt: str, rows: Sequence[Row], place: str) -> None:
    """Refuse a template that fails for every row that was looked at."""
    template = Template(prompt, place=place)
    if not template.columns:
        raise ConfigError(f"{place}: uses no column", hint="write one as {{ text }}")
    known = column_names(rows)
    for column in sorted(template.columns):
        _check_column(place, column, known)
    why = ""
    for row in rows:
        try:
            template.read(row)
        except RowError as error:
            why = str(error)
        else:
            return
    raise ConfigError(f"{place}: can be rendered for no row: {why}")


def ood_of(
    given: Given, id_columns: Columns, name: str, asking: Asking, *, but: Sequence[Path]
) -> tuple[OodDraft, ...]:
    """The OOD tasks: of the user's files, else built-in ones that are on this machine."""
    found: list[OodDraft] = []
    taken = {file_name(name)}
    for text in given.ood:
        said, path = _shift_and_path(text)
        splits = find_splits(path)
        file = splits.get("test", next(iter(splits.values())))
        head = read_head(file)
        shift = asking.decide(
            f"shift of {file}", f"Shift of {file} (near, far, covariate)", "far", said, guessed="default"
        )
        if shift not in SHIFTS:
            raise ConfigError(f"--ood {text}: no shift '{shift}'", hint=suggest(shift, SHIFTS))
        if said is None and asking.silent:
            asking.notes.append(f"{file} is taken as far; if it is the same kind of text: --ood near:{file}")
        if head.first_reject is not None:
            asking.notes.append(f"{head.rejects} rows of {file} can't be read")
        columns = _alike(id_columns, head.rows, file)
        task = TaskDraft(_free(file_name(stem(path.resolve()) or "ood"), taken), {"test": file}, columns)
        shown = columns.prompt or f"the chat turns of '{columns.messages_column}'"
        asking.decisions.append((f"prompt of {file}", shown.replace("\n", "\\n"), "its columns"))
        found.append(OodDraft(task, next(known for known in SHIFTS if known == shift)))
    if not found:
        found = [OodDraft(task, "far") for task in far_sets_here(but=but)]
        if found:
            names = ", ".join(str(ood.task) for ood in found)
            answer = asking.decide("OOD", "Built-in sets as far ones (or none)", names, guessed="LLMOOD_DATA")
            wanted = [] if answer in NONE else [part.strip() for part in answer.split(",")]
            found = [OodDraft(task, "far") for task in wanted]
        else:
            asking.notes.append(
                "no OOD file: only typing mistakes are measured; add --ood near:FILE or far:FILE, or set "
                "LLMOOD_DATA to a folder with built-in sets"
            )
    return tuple(found)


def _shift_and_path(text: str) -> tuple[Shift | None, Path]:
    before, colon, after = text.partition(":")
    shift = next((shift for shift in SHIFTS if shift == before), None)
    if shift is None and colon and not Path(text).exists() and re.fullmatch(r"[a-z]+", before):
        raise ConfigError(f"--ood {text}: no shift '{before}'", hint=suggest(before, SHIFTS))
    return (shift, Path(after)) if shift is not None else (None, Path(text))


def _alike(pattern: Columns, rows: Sequence[Row], file: Path) -> Columns:
    """The columns of OOD rows, read as the ID rows are: with the same words around the text."""
    known = set(column_names(rows))
    if pattern.prompt is None:
        return guess(rows)
    if pattern.reads <= known:
        return guess(rows, prompt=pattern.prompt)
    found = guess(rows)
    if found.prompt is None or len(pattern.reads) != 1 or len(found.reads) != 1:
        return found
    (theirs,), (ours,) = pattern.reads, found.reads
    swapped, count = re.subn(rf"(?<![\w.'\"]){re.escape(theirs)}(?!\w)(?=[^{{]*}})", ours, pattern.prompt)
    if count and Template(swapped, place=str(file)).columns == {ours}:
        return guess(rows, prompt=swapped)
    return found


def file_name(name: str) -> str:
    """The name of a task's file; `config.yaml` is another's."""
    return f"{name}_task" if name in RESERVED else name


def _free(name: str, taken: set[str]) -> str:
    found = next(
        each
        for number in range(1, 10_000)
        if (each := name if number == 1 else f"{name}_{number}") not in taken
    )
    taken.add(found)
    return found
