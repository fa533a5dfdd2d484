"""Mappings that people write: unknown keys are refused with the exact path of the mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from llmood.errors import ConfigError
from llmood.registry import suggest


class Strict(BaseModel):
    """A mapping of the configuration: unknown keys are mistakes, as are infinite numbers, and values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """A validator for lists: `min_length` would count a broken item as none, and report that beside its mistake."""
    if not value:
        raise ValueError("at least one is needed")
    return value


Parsed = TypeVar("Parsed", bound=BaseModel)


def parse(model: type[Parsed], data: Any, *, place: str) -> Parsed:
    """Validate `data`, naming the exact path of the first mistakes.

    Args:
        place: the file, for the message.

    Raises:
        ConfigError: one line per mistake: file, path within it, what is wrong, the nearest right key.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{place}: a mapping of keys is needed, not {type(data).__name__}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(model, detail) for detail in _worth_saying(error)[:5]]
        raise ConfigError("\n".join(f"{place}: {line}" for line in lines)) from None


def _worth_saying(error: ValidationError) -> list[Any]:
    """The mistakes, without the keys that are missing only because they are written wrongly."""
    details = error.errors(include_url=False)
    unknown_in = {detail["loc"][:-1] for detail in details if detail["type"] == "extra_forbidden"}
    return [
        detail for detail in details if detail["type"] != "missing" or detail["loc"][:-1] not in unknown_in
    ]


PLAIN = {"model_type": "a mapping of keys is needed", "tuple_type": "a list is needed"}


def _explain(model: type[BaseModel], detail: Any) -> str:
    # pydantic puts the tried member of a union into the path: the user wrote no such key.
    path = [
        part for part in detail["loc"] if part not in ("str", "int", "Adapter", "FullModel", "BenchmarkSpec")
    ]
    at = ".".join(str(part) for part in path) + ": " if path else ""
    if detail["type"] == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        hint = f" ({suggest(str(path[-1]), known)})" if known else ""
        return f"{at}unknown key{hint}"
    if detail["type"] == "missing":
        return f"{at}is missing"
    if detail["type"] == "value_error":  # one of ours: it says all there is to say
        return f"{at}{detail['msg'].removeprefix('Value error, ')}"
    message = PLAIN.get(detail["type"], detail["msg"])
    given = detail.get("input")
    value = f", not {given!r}" if isinstance(given, str | int | float | bool | None) else ""
    return f"{at}{message[:1].lower()}{message[1:]}{value}"


def _keys_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys allowed at a path, walking through optional, union and sequence annotations."""
    models: list[type[BaseModel]] = [model]
    for part in path:
        if isinstance(part, int):
            continue
        fields = [found.model_fields[part].annotation for found in models if part in found.model_fields]
        models = [found for annotation in fields for found in _models_in(annotation)]
    return sorted({key for found in models for key in found.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in getattr(annotation, "__args__", ()) for found in _models_in(inner)]
