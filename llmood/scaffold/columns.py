"""Which column is what, guessed from the rows of a file. Pure functions; a guess is shown, and can be overruled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmood.errors import ConfigError
from llmood.scaffold.names import ANSWERS, CHATS, CHOICES, DOMAINS, GROUPS, IDS, LABELS, PAIRS, TEXT
from llmood.scaffold.pictures import picture_columns
from llmood.tasks.chat import FORMS
from llmood.tasks.prompt import Template

Row = Mapping[str, Any]

MOST = 0.5  # of the rows: a column that fewer have is not what the file is about
LABEL_LENGTH = 60
LEAST_GROUPS = 10  # fewer can't be shared out among splits


@dataclass(frozen=True, slots=True)
class Columns:
    """What a task's YAML says of the rows: a template, or a column of chat turns, and the fields."""

    prompt: str | None = None
    messages_column: str | None = None
    references: str | None = None
    label: str | None = None
    domain: str | None = None
    group: str | None = None
    choices: str | None = None
    id: str | None = None
    images: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, str]:
        """The mapped fields by name."""
        named = {
            name: getattr(self, name)
            for name in ("images", "references", "label", "domain", "group", "choices")
        }
        return {name: column for name, column in named.items() if column is not None}

    @property
    def unasked(self) -> dict[str, str]:
        """What is mapped without a question or an option: a user should still see it."""
        named = {"domain": self.domain, "choices": self.choices, "id": self.id}
        return {name: column for name, column in named.items() if column is not None}

    @property
    def reads(self) -> frozenset[str]:
        """The columns of the prompt."""
        if self.messages_column is not None:
            return frozenset([self.messages_column])
        return Template(self.prompt, place="prompt").columns if self.prompt else frozenset()


def guess(rows: Sequence[Row], *, prompt: str | None = None, images: str | None = None) -> Columns:
    """What the columns of these rows most likely are.

    Args:
        prompt: the user's own template, which is then not guessed.
        images: the user's own column of pictures, likewise.

    Raises:
        ConfigError: there is no column of text.
    """
    seen = list(dict.fromkeys([*([] if images is None else [images]), *picture_columns(rows)]))
    chat = None if prompt is not None else _chat_column(rows)
    if prompt is None and chat is None:
        prompt = _prompt([{name: row[name] for name in row if name not in seen} for row in rows], bool(seen))
    used = {*seen, *Columns(prompt=prompt, messages_column=chat).reads}
    references, notes = _references(rows, used)
    if len(seen) > 1:
        notes = (*notes, f"columns of pictures: {', '.join(seen)}; of them {seen[0]} alone is shown")
    used |= {references} if references else set()

    def first(names: Iterable[str], fits: Callable[[list[Any]], bool]) -> str | None:
        found = next((column for column in _named(rows, names, used) if fits(_cells(rows, column))), None)
        if found is not None:
            used.add(found)
        return found

    return Columns(
        prompt=prompt,
        messages_column=chat,
        references=references,
        label=first(LABELS, lambda cells: _is_label(cells, len(rows))),
        domain=first(DOMAINS, lambda cells: _is_label(cells, len(rows))),
        group=first(GROUPS, _is_group),
        choices=first(CHOICES, _is_choices),
        id=first(IDS, lambda cells: all(isinstance(cell, str | int) for cell in cells)),
        images=seen[0] if seen else None,
        notes=notes,
    )


def text_template(column: str) -> str:
    """The template that is one column.

    Raises:
        ConfigError: its name can't stand in a template.
    """
    template = f"{{{{ {column} }}}}"
    if not _can_be_named(column):
        raise ConfigError(
            f"the column '{column}' can't stand in a template",
            hint="rename it in the file: letters, digits and underscores, no digit first",
        )
    return template


def column_names(rows: Sequence[Row]) -> list[str]:
    """Every column, in the order of their first rows."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _can_be_named(column: str) -> bool:
    try:
        return Template(f"{{{{ {column} }}}}", place="").columns == {column}
    except ConfigError:
        return False


def _cells(rows: Sequence[Row], column: str) -> list[Any]:
    """The cells that are not null."""
    return [row[column] for row in rows if row.get(column) is not None]


def _named(rows: Sequence[Row], names: Iterable[str], used: Iterable[str] = ()) -> list[str]:
    by_name: dict[str, str] = {}
    for column in column_names(rows):
        if column not in used:
            by_name.setdefault(column.lower(), column)
    return [by_name[name] for name in names if name in by_name]


def _is_text(rows: Sequence[Row], column: str) -> bool:
    cells = _cells(rows, column)
    texts = sum(isinstance(cell, str) and bool(cell.strip()) for cell in cells)
    return texts > MOST * len(rows) and _can_be_named(column)


def _chat_column(rows: Sequence[Row]) -> str | None:
    columns = [*_named(rows, CHATS), *column_names(rows)]
    return next((column for column in columns if _is_chat(rows, column)), None)


def _is_chat(rows: Sequence[Row], column: str) -> bool:
    turns = [cell for cell in _cells(rows, column) if isinstance(cell, list | tuple) and cell]
    alike = [
        cell
        for cell in turns
        if any(all(isinstance(turn, Mapping) and form[0] in turn for turn in cell) for form in FORMS)
    ]
    return len(alike) > MOST * len(rows)


def _prompt(rows: Sequence[Row], pictured: bool) -> str:
    for one, two, optional in PAIRS:
        found = _named(rows, (one, two))
        if len(found) == 2 and _is_text(rows, found[0]):
            if optional and _can_be_named(found[1]) and _only_text(rows, found[1]):
                return _instruction(found[0], found[1], everywhere=all(found[1] in row for row in rows))
            if not optional and _is_text(rows, found[1]):
                return f"{{{{ {found[0]} }}}}\n\n{{{{ {found[1]} }}}}"
    named = [column for column in _named(rows, TEXT) if _is_text(rows, column)]
    column = named[0] if named else _longest(rows, pictured)
    return text_template(column)


def _only_text(rows: Sequence[Row], column: str) -> bool:
    return all(isinstance(cell, str) for cell in _cells(rows, column))


def _instruction(main: str, more: str, *, everywhere: bool) -> str:
    given = more if everywhere else f"{more} is defined and {more}"
    return f"{{{{ {main} }}}}{{% if {given} %}}\n\n{{{{ {more} }}}}{{% endif %}}"


def _longest(rows: Sequence[Row], pictured: bool) -> str:
    """The column of the longest texts that are mostly unlike one another."""
    lengths: dict[str, float] = {}
    for column in column_names(rows):
        cells = [cell for cell in _cells(rows, column) if isinstance(cell, str) and cell.strip()]
        known = column.lower() in {*ANSWERS, *LABELS, *DOMAINS, *GROUPS, *IDS}
        if not known and len(cells) > MOST * len(rows) and len(set(cells)) > MOST * len(cells):
            lengths[column] = sum(map(len, cells)) / len(cells)
    if not lengths:
        raise ConfigError(
            f"no column of text is found among: {', '.join(column_names(rows)) or 'none'}",
            hint="say what is asked about each picture: --prompt 'What is shown?'"
            if pictured
            else f"say what the model reads: --prompt '{{{{ {_nested(rows) or 'column.key'} }}}}'",
        )
    return max(lengths, key=lambda column: lengths[column])


def _nested(rows: Sequence[Row]) -> str | None:
    """The first text within a column of mappings, as a template names it."""
    return next(
        (
            f"{column}.{key}"
            for row in rows[:1]
            for column, cell in row.items()
            if isinstance(cell, Mapping)
            for key, value in cell.items()
            if isinstance(value, str)
        ),
        None,
    )


def _references(rows: Sequence[Row], used: set[str]) -> tuple[str | None, tuple[str, ...]]:
    for column in _named(rows, ANSWERS, used):
        cells = _cells(rows, column)
        if not cells:
            continue
        if all(_is_answer(cell) for cell in cells):
            return column, ()
        if all(isinstance(cell, float | int) for cell in cells) and _can_be_named(column):
            return f"{{{{ {column} | string }}}}", ()
        if all(isinstance(cell, Mapping) and isinstance(cell.get("text"), list) for cell in cells):
            if all(cell["text"] for cell in cells) and _can_be_named(column):
                return f"{{{{ {column}.text[0] }}}}", (f"of {column}.text the first answer is taken",)
            return None, (f"{column}.text is empty in some rows: no answers are mapped",)
    return None, ()


def _is_answer(cell: Any) -> bool:
    items = cell if isinstance(cell, list | tuple) else [cell]
    return all(isinstance(item, str | int) for item in items)


def _is_label(cells: list[Any], rows: int) -> bool:
    if not cells or not all(isinstance(cell, str | int) for cell in cells):
        return False
    few = len(set(cells)) <= max(2, rows // 2)
    return few and all(len(str(cell)) <= LABEL_LENGTH for cell in cells)


def _is_group(cells: list[Any]) -> bool:
    if not all(isinstance(cell, str | int) for cell in cells):
        return False
    return LEAST_GROUPS <= len(set(cells)) < len(cells)


def _is_choices(cells: list[Any]) -> bool:
    return bool(cells) and all(isinstance(cell, list | tuple) and _is_answer(cell) for cell in cells)
