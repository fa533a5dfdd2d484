"""From a record of traffic to a sample: the same words that a run would make of the same row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from llmood.detector.kept_task import fields_naming, kept_of, plain_fields, spec_without
from llmood.detector.shown import without_pictures
from llmood.errors import kind_of
from llmood.identity import digest
from llmood.picture_records import Picture
from llmood.records import EVALUATED, Message, Sample
from llmood.tasks import TaskSpec
from llmood.tasks.cell_values import refuse_unusable
from llmood.tasks.chat import ChatColumn
from llmood.tasks.fields import RowReader
from llmood.tasks.row_errors import MissingColumnError, RowError
from llmood.tasks.splits import content_key

_BARE = re.compile(r"\s*\{\{[^{}]*\}\}\s*")  # a template that is a column and nothing else
MESSAGES, PROMPT, TEXT, RESPONSE = "messages", "prompt", "text", "response"
SHOWN_COLUMNS = 4  # of a record, in a message


@dataclass(frozen=True, slots=True)
class Read:
    """A record as it was read.

    Attributes:
        literal: whether its one message is the prompt to the letter, with what a chat template puts around it.
        response: what the model answered, where the record says so.
        row: the place of the record, from 0.
    """

    row: int
    sample: Sample
    literal: bool = False
    response: str | None = None


@dataclass(frozen=True)
class Form:
    """How the records of a detector become prompts: its ID task's way, without the task's data.

    Args:
        task: the task's name, prompt and fields, as `form_of` takes them.
        chat: whether prompts go through the model's chat template.
        answers: whether the detector looks at answers; only then is `response` read.
        turns: whether it reads the turns themselves, which `prompt` to the letter doesn't tell under a chat template.
        pictures: whether each calibration row has a picture, so that a record without one is another kind of question.
    """

    task: Mapping[str, Any]
    chat: bool
    answers: bool
    turns: bool = False
    pictures: bool = False
    _readers: dict[frozenset[str], RowReader] = field(default_factory=dict, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """As `detector.json` holds it."""
        names = ("task", "chat", "answers", "turns", "pictures")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Form:
        """The form that `to_json` made JSON of."""
        own = {name: value[name] for name in ("chat", "answers", "turns")}
        # Detectors of before don't say whether each row had a picture, and go on as they were.
        return cls(value["task"], **own, pictures=value.get("pictures", False))

    def read(self, record: Any, row: int, folder: Path | None = None) -> Read:
        """A record as a sample.

        It is, whichever of these it has all of first: the task's own columns; `messages`, the turns up to the user's
        last; `prompt`, to the letter; or `text`, which stands in the task's one column. Where the task has pictures,
        the last two are none: nothing would say which picture.

        Args:
            folder: where paths of pictures start; None: a record may name no file, and holds its pictures itself.

        Raises:
            RowError: the record can't be used, and why.
        """
        if not isinstance(record, Mapping):
            raise RowError(f"wrong type: a record is a mapping, not {kind_of(record)}")
        sample, literal = self._sample(record, folder)
        if self.pictures and not sample.pictures:
            raise RowError("picture: is missing, and each calibration row of the detector has one")
        response = self._response(record)
        # As a run counts its rows: one that draws answers draws the same for the same question.
        counted = [sample.task, EVALUATED, content_key(sample), 0]
        name = digest([*counted, PROMPT] if literal and self.chat else counted)
        named = replace(sample, sample_id=name, chat=self.chat, source_line=None)
        return Read(row, named, literal, response)

    def _sample(self, record: Mapping[str, Any], folder: Path | None) -> tuple[Sample, bool]:
        """The sample, not yet named, and whether it is the prompt to the letter."""
        own = self.columns
        if own <= record.keys() and any(record[name] is not None for name in own):
            return self._own(record, folder), False
        if self._reader(frozenset()).sees and record.get(MESSAGES) is None:
            alone = record.keys() - {RESPONSE}
            if own and alone and alone <= {PROMPT, TEXT} - own:
                raise RowError(
                    f"'{min(alone)}' alone is a question without its picture: give the task's columns, or "
                    f"'{MESSAGES}' with the picture in a data URL"
                )
            return self._own(record, folder), False
        if record.get(MESSAGES) is not None:
            given, pictures = without_pictures(record[MESSAGES])
            refuse_unusable(MESSAGES, given)
            turns, words = ChatColumn(MESSAGES), {MESSAGES: given}
            messages, answer = turns.messages(words), turns.answer(words)
            if answer is not None and self.answers and record.get(RESPONSE) is None:
                raise RowError(
                    f"{MESSAGES}: ends with an answer; say whose it is: as '{RESPONSE}' it is looked at, and left out "
                    "the model answers"
                )
            return self._plain(messages, pictures), False
        if record.get(PROMPT) is not None:
            if self.chat and self.turns:
                raise RowError(
                    f"'{PROMPT}' has the chat template in it, and this detector asks about the turns: "
                    f"give '{MESSAGES}'"
                )
            return self._plain((Message("user", self._text(record, PROMPT)),)), True
        if record.get(TEXT) is not None:
            return self._own(self._as_column(self._text(record, TEXT))), False
        if own & record.keys():
            return self._own(record), False
        found = ", ".join(map(_shown, list(record)[:SHOWN_COLUMNS])) or "nothing"
        raise RowError(
            f"has none of '{TEXT}', '{PROMPT}', '{MESSAGES}' or the task's columns "
            f"({', '.join(sorted(own))}), but {found}"
        )

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns that the task's prompt is made of."""
        return self._reader(frozenset()).prompt_columns

    @property
    def wording(self) -> str | None:
        """The turns of the task's prompt, where there is more to them than one question as it is asked."""
        turns = self.task["messages"] or []
        turns = [(turn["role"], turn["content"]) for turn in turns]
        if self.task["prompt"] is not None:
            turns = [("user", self.task["prompt"])]
        if not turns or (len(turns) == 1 and _BARE.fullmatch(turns[0][1])):
            return None
        return turns[0][1] if len(turns) == 1 else "\n".join(f"{role}: {text}" for role, text in turns)

    @cached_property
    def _plain_fields(self) -> tuple[tuple[str, str], ...]:
        """The fields that are one column as it stands, with that column."""
        return plain_fields(self.task)

    def _own(self, record: Mapping[str, Any], folder: Path | None = None) -> Sample:
        """A row of the task; of the fields beside the prompt, those that it has, and its pictures always."""
        # What is plainly absent at once; of what a template asks for, one after the other.
        dropped = frozenset(name for name, column in self._plain_fields if column not in record)
        while True:
            reader = self._reader(dropped)
            try:
                if folder is None and reader.files(record):  # before any is looked for
                    raise RowError("picture: names a file, and only data URLs are taken here")
                sample = reader.sample(record, EVALUATED, "", folder)
            except MissingColumnError as error:
                # A question whose picture is left out is another question.
                lacking = fields_naming(self.task, error.column) - dropped
                if not lacking or error.column in self.columns:
                    raise
                dropped |= lacking
            else:
                if sample is None:  # no source here filters
                    raise RowError("the task leaves such rows out")
                return sample

    def _plain(self, messages: tuple[Message, ...], pictures: tuple[Picture, ...] = ()) -> Sample:
        if not all(message.content.strip() for message in messages):
            raise RowError("no text: the prompt is blank")
        return Sample(
            "",
            self.task["name"],
            EVALUATED,
            messages,
            language=self.task["language"],
            images=tuple(picture.digest for picture in pictures),
            pictures=pictures,
        )

    def _as_column(self, text: str) -> dict[str, Any]:
        if self.task["messages_column"] is not None:
            return {self.task["messages_column"]: [{"role": "user", "content": text}]}
        if len(self.columns) > 1:
            raise RowError(
                f"'{TEXT}' is one column, and the task's prompt is made of {', '.join(sorted(self.columns))}: give "
                f"these, or '{PROMPT}' to the letter"
            )
        return dict.fromkeys(self.columns, text)

    def _response(self, record: Mapping[str, Any]) -> str | None:
        if not self.answers or record.get(RESPONSE) is None:
            return None
        return self._text(record, RESPONSE, blank=True)

    @staticmethod
    def _text(record: Mapping[str, Any], name: str, *, blank: bool = False) -> str:
        value = record[name]
        if not isinstance(value, str):
            raise RowError(f"wrong type: {name} is {kind_of(value)}, not text")
        refuse_unusable(name, value)
        if not blank and not value.strip():
            raise RowError(f"no text: {name} is empty")
        return value

    def _reader(self, dropped: frozenset[str]) -> RowReader:
        if dropped not in self._readers:
            spec = spec_without(self.task, dropped)
            self._readers[dropped] = RowReader(spec, spec.sources[0])
        return self._readers[dropped]


def _shown(column: Any) -> str:
    # Where the header is missing, the first row's words stand for it.
    return str(column) if re.fullmatch(r"[\w.-]{1,40}", str(column)) else "…"


def form_of(spec: TaskSpec, *, chat: bool, answers: bool, turns: bool, pictures: bool) -> Form:
    """The form of a task's rows; the arguments are those of `Form`."""
    return Form(kept_of(spec), chat=chat, answers=answers, turns=turns, pictures=pictures)
