"""What `llmood init` finds in the user's ID files: rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from llmood.cli.asking import Asking
from llmood.errors import ConfigError
from llmood.records import Split
from llmood.registry import suggest
from llmood.scaffold import Columns, guess, read_head, text_template
from llmood.scaffold.columns import column_names
from llmood.scaffold.files import columns_of
from llmood.scaffold.pictures import picture_columns
from llmood.scaffold.prompts import LAST_TURN, ends_with_answers
from llmood.scaffold.text import said
from llmood.tasks.prompt import Template
from llmood.tasks.row_errors import RowError

NONE = ("", "none")
RESERVED = ("config", "benchmark")
EXAMPLE_CHARACTERS = 60

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
    force: bool = False


def rows_of(files: Mapping[Split, Path], asking: Asking) -> list[dict[str, Any]]:
    """The first rows of every file, to guess from."""
    heads = {split: read_head(path) for split, path in files.items()}
    for split, head in heads.items():
        shown = f"{files[split]} ({head.count} rows)"
        asking.decisions.append((split, shown, "its name" if len(files) > 1 else "the only file"))
        if head.unread:
            asking.notes.append(f"rows of {files[split]}: {head.unread}")
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
    wanted = (given.columns or {}).get("images")
    images = wanted if wanted in known else None
    # A question about each picture may be the same.
    shown = bool(picture_columns(rows)) if wanted is None else wanted not in NONE
    if template is not None:
        place = "--prompt" if given.prompt is not None else "--text-column"
        _check_prompt(template, rows, place, shown=shown)
    found = guess(rows, prompt=template, images=images)
    asking.notes += found.notes
    _show_columns(rows, asking)
    if found.messages_column is not None:
        asking.decisions.append(("prompt", f"the chat turns of '{found.messages_column}'", "its rows"))
    else:
        found = _prompted(found, template, rows, asking, images, shown=shown)
    changed: dict[str, Any] = {}
    # Whoever has no pictures isn't asked for them.
    fields = ("images", "references", "label", "group")
    for field in fields if found.images or wanted else fields[1:]:
        option = (given.columns or {}).get(field)
        changed[field] = _column_of(field, found, option, rows, asking)
    for field, column in found.unasked.items():
        asking.decisions.append((field, column, "its columns"))
    return replace(found, **changed)


def _show_columns(rows: Sequence[Row], asking: Asking) -> None:
    """Every column with one of its cells: whoever is asked for a column should see which there are."""
    names = column_names(rows)
    width = max(map(len, names), default=0)
    asking.tell("columns, each with its first cell:")
    for name in names:
        cell = said(str(next(row[name] for row in rows if name in row)))
        cut = cell if len(cell) <= EXAMPLE_CHARACTERS else f"{cell[:EXAMPLE_CHARACTERS]} …"
        asking.tell(f"  {name.ljust(width)}  {cut}".rstrip())


def _prompted(
    found: Columns,
    template: str | None,
    rows: Sequence[Row],
    asking: Asking,
    images: str | None,
    *,
    shown: bool,
) -> Columns:
    """The columns once the prompt is decided; a `template` that an option gives is checked already."""
    proposed = (found.prompt or "").replace("\n", "\\n")

    def check(said: str) -> None:
        if said != proposed:
            _check_prompt(said.replace("\\n", "\n"), rows, "prompt", shown=shown)

    option = proposed if template is not None else None
    said = asking.decide(
        "prompt", "Prompt (a template)", proposed, option, guessed="its columns", check=check
    )
    return found if said == proposed else guess(rows, prompt=said.replace("\\n", "\n"), images=images)


def _column_of(
    field: str, found: Columns, option: str | None, rows: Sequence[Row], asking: Asking
) -> str | None:
    """The column of a field, or None where it has none."""
    known = column_names(rows)
    # The chat's own answer needs no column: it is the reference wherever no column is.
    by_itself = field == "references" and ends_with_answers(found, rows)
    nothing = LAST_TURN if by_itself else "none"

    def check(answer: str) -> None:
        if answer not in (*NONE, nothing) and "{" not in answer:
            _check_column(f"--{field.removesuffix('s')}-column", answer, known)

    answer = asking.decide(
        field,
        f"Column of the {field}",
        getattr(found, field) or nothing,
        option,
        guessed="its columns",
        check=check,
    )
    if answer not in (*NONE, nothing):
        return answer
    if by_itself:
        asking.decisions[-1] = (field, LAST_TURN, "its rows")
    return None


def _check_column(place: str, column: str, known: Sequence[str]) -> None:
    if column not in known:
        raise ConfigError(f"{place}: no column '{column}'", hint=suggest(column, known))


def _check_prompt(prompt: str, rows: Sequence[Row], place: str, *, shown: bool) -> None:
    """Refuse a template that fails for every row that was looked at.

    Args:
        shown: whether pictures stand beside it.
    """
    template = Template(prompt, place=place)
    if not template.columns and not shown:
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


def file_name(name: str) -> str:
    """The name of a task's file; `config.yaml` is another's."""
    return f"{name}_task" if name in RESERVED else name
