"""What a task's YAML may say: its data, how a row becomes a prompt, and what there is to know before trusting it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    StrictInt,
    model_validator,
)

from llmood.correctness_choice import correctness_choice
from llmood.strict import Strict, not_empty, parse
from llmood.tasks.source_specs import Fields, FileSource, OneSource, Source
from llmood.yaml_files import read_yaml


class MessageTemplate(Strict):
    """One chat turn, its content a template over the row's columns."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class TaskSpec(Strict):
    """A task: its data, its prompt, and what there is to know before trusting a number made from it.

    The prompt is one template (`prompt`), a template a chat turn (`messages`), or a column that holds the turns
    (`messages_column`): a list of {role, content}, whose last turn, where it is the assistant's, is the reference.

    `correctness` is the rule by which an answer is judged: `numeric_match`, or `{f1: {threshold: 0.6}}`. Left out,
    `multiple_choice` where the samples have choices, else `exact_match`.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    version: int = Field(default=1, ge=1)
    description: str = ""
    licence: str | None = None
    citation: str | None = None
    homepage: str | None = None
    language: str | None = None
    known_flaws: tuple[str, ...] = ()
    sources: Annotated[
        tuple[OneSource, ...],
        AfterValidator(not_empty),
    ]
    fields: Fields = Fields()
    prompt: str | None = Field(default=None, min_length=1)
    messages: Annotated[tuple[MessageTemplate, ...], AfterValidator(not_empty)] | None = None
    messages_column: str | None = Field(default=None, min_length=1)
    correctness: (
        Annotated[
            str | dict[str, dict[str, StrictInt | float]], BeforeValidator(correctness_choice(labels=False))
        ]
        | None
    ) = None
    overlap: Literal["refuse", "leave_train"] = "refuse"
    shared_groups: bool = False  # whether rows of one group are meant to stand in several splits
    _file: Path = PrivateAttr(default=Path("task.yaml"))

    @model_validator(mode="after")
    def _one_prompt(self) -> TaskSpec:
        given = [key for key in ("prompt", "messages", "messages_column") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("exactly one of 'prompt', 'messages' and 'messages_column' is needed")
        return self

    @model_validator(mode="after")
    def _archives_are_looked_into(self) -> TaskSpec:
        for place, source in enumerate(self.sources):
            if isinstance(source, FileSource) and source.images and self.fields_of(source).images is None:
                raise ValueError(
                    f"sources.{place}.images is an archive, and 'fields.images' doesn't say which column names "
                    "its members"
                )
        return self

    @classmethod
    def from_file(cls, path: Path) -> TaskSpec:
        """Read a task's YAML; no data is touched.

        Raises:
            ConfigError: naming the file and the path of the mistake in it.
        """
        spec = parse(cls, read_yaml(path), place=str(path))
        spec._file = path  # noqa: SLF001 - its own
        return spec

    @property
    def file(self) -> Path:
        """The YAML that this came from: its folder is where relative paths start, its name is said in errors."""
        return self._file

    @property
    def chat(self) -> bool:
        """Whether the prompt is chat messages, for the model's own template."""
        return self.prompt is None

    def fields_of(self, source: Source) -> Fields:
        """The task's fields with the source's own on top."""
        return self.fields.model_copy(
            update={key: getattr(source.fields, key) for key in source.fields.model_fields_set}
        )
