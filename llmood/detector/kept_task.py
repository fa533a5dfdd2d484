"""What a detector keeps of its task, as JSON: how a row becomes a prompt, and which column each field reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmood.records import EVALUATED
from llmood.tasks import TaskSpec

IMAGES = "images"  # the field that is never left out: without its picture a question is another one


def kept_of(spec: TaskSpec) -> dict[str, Any]:
    """As `detector.json` holds it; the task's data is no part of it."""
    return {
        "name": spec.name,
        "prompt": spec.prompt,
        "messages": None if spec.messages is None else [turn.model_dump() for turn in spec.messages],
        "messages_column": spec.messages_column,
        "language": spec.language,
        "fields": spec.fields_of(spec.sources[0]).model_dump(),
    }


def spec_without(task: Mapping[str, Any], dropped: frozenset[str]) -> TaskSpec:
    """The task again, over records, with some of its fields left out."""
    fields = task["fields"]
    kept = {name: None if name in dropped else value for name, value in fields.items() if name != "meta"}
    meta = {name: value for name, value in fields["meta"].items() if f"meta.{name}" not in dropped}
    given = {name: value for name, value in task.items() if value is not None}
    source = {"files": {EVALUATED: "records"}}
    return TaskSpec.model_validate({**given, "fields": {**kept, "meta": meta}, "sources": [source]})


def plain_fields(task: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The fields that may be left out and are one column as it stands, with that column."""
    named = _named(task["fields"]).items()
    plain = ((name, value) for name, value in named if isinstance(value, str) and "{" not in value)
    return tuple((name, value) for name, value in plain if name != IMAGES)


def fields_naming(task: Mapping[str, Any], column: str) -> frozenset[str]:
    """The fields that may be left out and read a column."""
    return frozenset(
        name
        for name, value in _named(task["fields"]).items()
        if name != IMAGES
        and isinstance(value, str)
        and (value == column or ("{" in value and column in value))
    )


def _named(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, **{f"meta.{name}": value for name, value in fields["meta"].items()}}
