"""What a task's YAML may say of its data: where rows are, which of them count, and which column is what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    StrictInt,
    TypeAdapter,
    model_validator,
)

from llmood.records import Split
from llmood.strict import Strict

Cell = str | int | float | bool | None


def _cells(value: Any) -> Any:
    # Without this, pydantic reports a line for each kind of value that it tried.
    if not isinstance(value, Mapping):
        return value
    for column, wanted in value.items():
        for cell in wanted if isinstance(wanted, list) else [wanted]:
            if not isinstance(cell, str | int | float | None) or (
                isinstance(cell, float) and not math.isfinite(cell)
            ):
                raise ValueError(
                    f"'{column}': a text, a finite number, true, false or null is needed, or a list, not {cell!r}"
                )
    return value


Wanted = Annotated[dict[str, Cell | list[Cell]], BeforeValidator(_cells)]


def _columns(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ValueError("a column, or a list of columns, is needed")


class Fields(Strict):
    """Which column holds what. Each value is a column's name, or a Jinja template over the row's columns.

    `references` and `choices` may be columns of lists; `meta` keeps further columns, by any name. `images` names the
    column of the picture, or several: a path beside the rows' file, a data URL, or bytes. `votes` names the column of
    raters' votes: a mapping of answers to counts, or a list of answers, one a rater.
    """

    label: str | None = None
    domain: str | None = None
    group: str | None = None
    parent_id: str | None = None
    severity: str | None = None
    references: str | None = None
    choices: str | None = None
    images: Annotated[str | tuple[str, ...] | None, BeforeValidator(_columns)] = None
    votes: str | None = None
    meta: dict[str, str] = Field(default={})


class Source(Strict):
    """One place to find the rows.

    `where` keeps, `where_not` leaves out the rows whose column, or template over the row, has one of the values (null:
    no value, no picture say); what a source leaves out is no part of the task. `fields` overrides the task's, key by
    key (null: this source has no such column). `rows` is how many samples each split had when this was written: a
    source that holds others has changed.
    """

    rows: dict[Split, int] = Field(default={})
    fields: Fields = Fields()
    where: Wanted = Field(default={})
    where_not: Wanted = Field(default={})


_PATHS = TypeAdapter(dict[Split, str])


def _pattern_or_paths(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _PATHS.validate_python(value)
    if not isinstance(value, str):
        raise ValueError("a path, or a path for each split, is needed")
    return value


class FileSource(Source):
    """Local files: relative to the YAML's own folder, else to `LLMOOD_DATA`.

    `files` is one pattern with `{split}`, and `splits` says what each split is called in it; or `files` maps each
    split to its own path. `images` is the zip archive whose members the rows' pictures are, found and written in the
    same way; it is read where it lies.
    """

    files: Annotated[str | dict[Split, str], BeforeValidator(_pattern_or_paths)]
    splits: dict[Split, str] = Field(default={})
    images: Annotated[str | dict[Split, str], BeforeValidator(_pattern_or_paths)] | None = None

    @model_validator(mode="after")
    def _splits_fit_files(self) -> FileSource:
        if isinstance(self.files, str):
            if not self.splits:
                raise ValueError("'splits' is needed where 'files' is one pattern")
            if "{split}" not in self.files and len(self.splits) > 1:
                raise ValueError("'files' has no '{split}', so every split would be the same rows")
        elif self.splits:
            raise ValueError("'files' names the splits already: leave 'splits' out")
        if isinstance(self.images, dict) and not self.images.keys() <= self.paths.keys():
            raise ValueError("'images' names an archive for a split that 'files' doesn't have")
        if isinstance(self.images, dict) and (lacking := self.paths.keys() - self.images.keys()):
            raise ValueError(
                f"'images' names no archive for the split '{min(lacking)}': name one for each split of 'files'"
            )
        if isinstance(self.images, str) and "{split}" in self.images and not self.splits:
            raise ValueError("'images' has '{split}', and 'splits' doesn't say what each is called in it")
        return self

    @property
    def paths(self) -> dict[Split, str]:
        """The path of each split, as the YAML means it."""
        if isinstance(self.files, str):
            return {split: self.files.replace("{split}", name) for split, name in self.splits.items()}
        return self.files

    @property
    def archives(self) -> dict[Split, str]:
        """The zip archive of each split's pictures, as the YAML means it; none where they are files."""
        if isinstance(self.images, str):
            named = {split: self.splits.get(split, split) for split in self.paths}
            return {split: self.images.replace("{split}", name) for split, name in named.items()}
        return self.images or {}

    @property
    def split_names(self) -> tuple[Split, ...]:
        """The splits that this source holds."""
        return tuple(self.paths)


class HubSource(Source):
    """A data set on the Hugging Face hub, or a local folder of the same form. `revision` null: whatever is newest."""

    hub: str = Field(min_length=1)
    config: str | None = None
    revision: str | None = None
    splits: dict[Split, str] = Field(min_length=1)

    @property
    def split_names(self) -> tuple[Split, ...]:
        """The splits that this source holds."""
        return tuple(self.splits)


class LmEvalSource(Source):
    """A task of the lm-evaluation-harness: its YAML's path, or its name where the harness is installed.

    Its rows are the data set's, with the columns `doc_to_text`, `doc_to_target` and `doc_to_choice` beside their own.
    `splits` says what each split is called in the data set; without it the YAML's own split keys hold. Python that
    the YAML names (`!function`) is not run unless `trust_remote_code` says so.
    """

    lm_eval: str = Field(min_length=1)
    splits: dict[Split, str] = Field(default={})
    trust_remote_code: bool = False

    @property
    def split_names(self) -> tuple[Split, ...]:
        """The splits that are named here."""
        return tuple(self.splits)


class GeneratedSource(Source):
    """Rows that a generator makes. `seed` is the data's own, part of what they are; the run's seed changes nothing.

    `splits` says how many rows each split has. Generators: `llmood/tasks/generators/`, and the entry points
    `llmood.generators` of other packages.
    """

    generate: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default={})
    splits: dict[Split, Annotated[StrictInt, Field(ge=1)]] = Field(min_length=1)
    seed: StrictInt = Field(default=0, ge=0)

    @property
    def split_names(self) -> tuple[Split, ...]:
        """The splits that this source makes."""
        return tuple(self.splits)


AnySource = FileSource | HubSource | LmEvalSource | GeneratedSource
_KINDS: dict[str, type[Source]] = {
    "files": FileSource,
    "hub": HubSource,
    "lm_eval": LmEvalSource,
    "generate": GeneratedSource,
}


def _kind_by_key(value: Any) -> Any:
    # Without this, pydantic reports the mistakes of every form; the key that is there says which one was meant.
    if isinstance(value, Source):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"a mapping with the key {' or '.join(map(repr, _KINDS))} is needed")
    return _KINDS[next((key for key in reversed(_KINDS) if key in value), "files")].model_validate(value)


OneSource = Annotated[AnySource, BeforeValidator(_kind_by_key)]
"""A source, its form told by the key that is there."""
