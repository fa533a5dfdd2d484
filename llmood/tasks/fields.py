"""From a row to a sample: the mapped columns, checked cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llmood.errors import ConfigError
from llmood.records import Message, Sample, Split
from llmood.registry import suggest
from llmood.tasks.cell_values import as_list, as_text, attribute, is_one_of, refuse_unusable
from llmood.tasks.chat import ChatColumn
from llmood.tasks.images.cells import files_named, pictures_of
from llmood.tasks.prompt import Template
from llmood.tasks.row_errors import MissingColumnError, RowError
from llmood.tasks.source_specs import AnySource, Cell
from llmood.tasks.spec import TaskSpec

Row = Mapping[str, Any]

PRESENCE = ": null"
NO_TEXT = ("fields.images", PRESENCE)  # how keys of the YAML end that read columns which need be no text


class Column:
    """A field that is one column as it stands; read like a `Template`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.columns = frozenset([name])

    def read(self, row: Row) -> Any:
        """The row's cell.

        Raises:
            MissingColumnError: the row has none.
        """
        if self._name not in row:
            raise MissingColumnError(self._name)
        return row[self._name]


class RowReader:
    """A task's prompt and fields for one of its sources, compiled once and applied row by row.

    Raises:
        ConfigError: a template of the YAML is wrong, or the prompt uses no column.
    """

    def __init__(self, spec: TaskSpec, source: AnySource, *, keep_cells: bool = False) -> None:
        self._spec = spec
        self._keep_cells = keep_cells
        self._at = f"sources.{spec.sources.index(source)}"
        # Every key of the YAML that reads columns, with the columns it reads: what errors name.
        self._places: dict[str, frozenset[str]] = {}
        self._chat = self._read_chat()
        self._turns = self._read_prompt()
        self._images = self._read_images(source)
        # One question about many pictures needs no column of words.
        if not any(self._places.values()):
            raise ConfigError(
                f"{spec.file}: {next(iter(self._places))}: uses no column", hint="write one as {{ text }}"
            )
        self._fields = self._read_fields(source)
        self._where = self._read_filter("where", source.where)
        self._where_not = self._read_filter("where_not", source.where_not)
        # A cell with a picture alone is no text: it may hold bytes, or be a data URL of any length.
        texts = (columns for place, columns in self._places.items() if not place.endswith(NO_TEXT))
        self._columns = frozenset().union(*texts)

    def sample(
        self,
        row: Row,
        split: Split,
        source_line: str,
        folder: Path | None = None,
        archive: Path | None = None,
    ) -> Sample | None:
        """The row's sample, without its id; None where the source's filters leave the row out.

        Args:
            folder: where the relative paths of its pictures start.
            archive: the zip archive that its pictures are in.

        Raises:
            RowError: the row can't be used, and why.
        """
        for column in sorted(self._columns & set(row)):
            refuse_unusable(column, row[column])
        if not self._kept(row):
            return None
        messages = self.messages(row)
        values = {name: attribute(name, field.read(row)) for name, field in self._fields.items()}
        if self._chat and "references" not in self._fields:
            answer = self._chat.answer(row)
            values["references"] = None if answer is None else (answer,)
        given = {name: value for name, value in values.items() if value is not None}
        pictures = pictures_of([field.read(row) for field in self._images], folder, archive)
        return Sample(
            sample_id="",
            task=self._spec.name,
            split=split,
            messages=messages,
            chat=self._spec.chat,
            language=self._spec.language,
            meta={
                name.removeprefix("meta."): value for name, value in given.items() if name.startswith("meta.")
            },
            source_line=source_line,
            images=tuple(picture.digest for picture in pictures),
            pictures=pictures,
            cells={name: row[name] for name in self.prompt_columns if name in row}
            if self._keep_cells
            else {},
            **{name: value for name, value in given.items() if not name.startswith("meta.")},
        )

    def files(self, row: Row) -> list[str]:
        """The files that a row names as its pictures.

        Raises:
            RowError: it lacks such a column.
        """
        return files_named([field.read(row) for field in self._images])

    @property
    def sees(self) -> bool:
        """Whether its rows have pictures."""
        return bool(self._images)

    def messages(self, row: Row) -> tuple[Message, ...]:
        """The row's prompt.

        Raises:
            RowError: the row lacks a column of it, or the prompt is blank.
        """
        if self._chat:
            messages = self._chat.messages(row)
        else:
            messages = tuple(Message(role, template.read(row)) for role, template in self._turns)
        if not all(message.content.strip() for message in messages):
            raise RowError("no text: the prompt is blank")
        return messages

    @property
    def bare_messages(self) -> tuple[Message, ...]:
        """What is left of any row's prompt when all that the row puts in is taken out; maybe no word at all."""
        if self._chat:
            return (Message("user", ""),)
        return tuple(Message(role, template.own_words) for role, template in self._turns)

    @property
    def prompt_columns(self) -> frozenset[str]:
        """The columns that the prompt is made of."""
        if self._chat:
            return self._chat.columns
        return frozenset().union(*(template.columns for _, template in self._turns))

    def missing_everywhere(self, column: str, found: Iterable[str]) -> ConfigError:
        """The error for a column that no row has: where the YAML names it, and the nearest right name."""
        key = next(key for key, columns in self._places.items() if column in columns)
        return ConfigError(f"{self._spec.file}: {key}: no column '{column}'", hint=suggest(column, found))

    def _kept(self, row: Row) -> bool:
        if not all(is_one_of(column.read(row), values) for column, values in self._where):
            return False
        return not any(is_one_of(column.read(row), values) for column, values in self._where_not)

    def _read_chat(self) -> ChatColumn | None:
        if self._spec.messages_column is None:
            return None
        self._places["messages_column"] = frozenset([self._spec.messages_column])
        return ChatColumn(self._spec.messages_column)

    def _read_prompt(self) -> list[tuple[str, Template]]:
        if self._spec.prompt is not None:
            return [("user", self._template("prompt", self._spec.prompt))]
        turns = enumerate(self._spec.messages or ())
        return [(turn.role, self._template(f"messages.{n}.content", turn.content)) for n, turn in turns]

    def _read_fields(self, source: AnySource) -> dict[str, Template | Column]:
        given: dict[str, Any] = dict(self._spec.fields_of(source))
        del given["images"]
        given |= {f"meta.{name}": value for name, value in given.pop("meta").items()}
        fields: dict[str, Template | Column] = {}
        for name, value in given.items():
            if value is None:
                continue
            fields[name] = self._column_or_template(self._key(source, name), value)
        return fields

    def _read_images(self, source: AnySource) -> list[Template | Column]:
        columns = self._spec.fields_of(source).images
        named = [columns] if isinstance(columns, str) else columns or ()
        return [self._column_or_template(self._key(source, "images"), each) for each in named]

    def _key(self, source: AnySource, name: str) -> str:
        """Where the YAML names a field."""
        overridden = name.partition(".")[0] in source.fields.model_fields_set
        return f"{self._at}.fields.{name}" if overridden else f"fields.{name}"

    def _read_filter(
        self, key: str, wanted: Mapping[str, Cell | list[Cell]]
    ) -> list[tuple[Template | Column, set[str | None]]]:
        found = []
        for column, cells in wanted.items():
            values = {as_text(cell) for cell in as_list(cells)}
            # Whether there is a value at all can be asked of pictures, too.
            place = f"{self._at}.{key}" + (PRESENCE if values == {None} else "")
            found.append((self._column_or_template(place, column), values))
        return found

    def _column_or_template(self, key: str, value: str) -> Template | Column:
        is_template = "{{" in value or "{%" in value
        return self._template(key, value) if is_template else self._column(key, value)

    def _template(self, key: str, text: str) -> Template:
        template = Template(text, place=f"{self._spec.file}: {key}")
        self._places[key] = self._places.get(key, frozenset()) | template.columns
        return template

    def _column(self, key: str, name: str) -> Column:
        self._places[key] = self._places.get(key, frozenset()) | {name}
        return Column(name)
