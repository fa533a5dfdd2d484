"""The configuration of a run; unknown keys are refused with the exact path of the mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError

from llmood.errors import ConfigError
from llmood.registry import suggest


class Strict(BaseModel):
    """A mapping of the configuration: unknown keys are mistakes, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Adapter(Strict):
    """A LoRA adapter on the base model: a folder or a hub name."""

    adapter: str
    revision: str | None = None


class FullModel(Strict):
    """Full weights: a folder or a hub name."""

    model: str
    revision: str | None = None


def _as_full_model(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


def _adapter_or_model(value: Any) -> Any:
    # Without this, pydantic reports the mistakes of both forms; the key that is there says which one was meant.
    if isinstance(value, Mapping):
        if "adapter" in value and "model" in value:
            raise ValueError("is an adapter or a model, not both")
        return (Adapter if "adapter" in value else FullModel).model_validate(value)
    if value is None or isinstance(value, Adapter | FullModel):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a mapping with the key 'adapter' or 'model' is needed, not {value!r}")
    return FullModel(model=value)


class Models(Strict):
    """The model roles. Each is optional; a scorer that needs a missing one is refused."""

    base: (
        Annotated[FullModel, BeforeValidator(_as_full_model, json_schema_input_type=str | FullModel)] | None
    ) = None
    tuned: (
        Annotated[
            Adapter | FullModel,
            BeforeValidator(_adapter_or_model, json_schema_input_type=str | Adapter | FullModel),
        ]
        | None
    ) = None


class EngineConfig(Strict):
    """What runs the models.

    `batch_tokens` bounds the padded tokens of one forward pass (null: the engine's own choice); `max_length` lowers the
    context below the model's.
    """

    kind: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    batch_tokens: StrictInt | None = Field(default=None, ge=1)
    max_length: StrictInt | None = Field(default=None, ge=2)
    trust_remote_code: bool = False


class ResponseConfig(Strict):
    """How a response is decoded: greedy, up to so many tokens."""

    max_new_tokens: StrictInt = Field(default=64, ge=1)


class BootstrapConfig(Strict):
    """How many resamples the intervals come from, and how sure they are."""

    draws: StrictInt = Field(default=1000, ge=100)
    level: float = Field(default=0.95, gt=0.5, lt=1)


class ShiftedTask(Strict):
    """One OOD task of a benchmark. `note` is shown beside its numbers (a known overlap, say)."""

    task: str
    shift: Literal["near", "far", "covariate"]
    severity: StrictInt | None = Field(default=None, ge=0)
    note: str | None = None


class BenchmarkSpec(Strict):
    """One ID task and its OOD tasks; the OOD list may be empty."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    id: str
    ood: tuple[ShiftedTask, ...] = ()


def not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """A validator for lists: `min_length` would count a broken item as none, and report that beside its mistake."""
    if not value:
        raise ValueError("at least one is needed")
    return value


def _name_or_benchmark(value: Any) -> Any:
    if not isinstance(value, str | Mapping | BenchmarkSpec):
        raise ValueError(
            f"a benchmark's name, or a mapping with its 'id' and 'ood', is needed, not {value!r}"
        )
    return BenchmarkSpec.model_validate(value) if isinstance(value, Mapping) else value


class RunConfig(Strict):
    """All that decides a run's numbers. `folder` (where relative paths start) is not part of it."""

    benchmark: Annotated[str | BenchmarkSpec, BeforeValidator(_name_or_benchmark)]
    models: Models = Models()
    engine: EngineConfig = EngineConfig()
    scorers: Annotated[tuple[str, ...], AfterValidator(not_empty)] = ("likelihood_ratio", "likelihood")
    response: ResponseConfig = ResponseConfig()
    bootstrap: BootstrapConfig = BootstrapConfig()
    chat: bool | None = None
    limit: StrictInt | None = Field(default=None, ge=1)
    seed: StrictInt = Field(default=0, ge=0)
    text: bool = True


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
