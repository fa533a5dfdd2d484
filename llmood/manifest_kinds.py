"""What kind of value stands under each key of a `run.json` that is read. What is of another kind is damage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from llmood.records import Check, Shift

Capture = Annotated[str, Field(pattern=r"^[^/?]+/[^/?]+/[^/?]+(\?.*)?$")]


class _Kinds(BaseModel):
    """What kind of value stands under the keys that are read; those that are missing, or of another use, may be."""

    model_config = ConfigDict(strict=True)


class _Benchmark(_Kinds):
    name: str = ""
    description: str | None = None


class _Model(_Kinds):
    name: str | None = None
    identity: dict[str, Any]


class _Source(_Kinds):
    kind: str | None = None
    hub: str | None = None
    files: dict[str, Any] | None = None
    fingerprints: dict[str, Any] | None = None


class _Corruptions(_Kinds):
    of: str
    image: str | None = None
    image_grade: int = 0
    text: str | None = None
    text_grade: int = 0


class _Task(_Kinds):
    name: str = ""
    population: Literal["id", "ood", "background"] = "id"
    shift: Shift = "none"
    severity: int | None = None
    family: str | None = None
    corruptions: _Corruptions | None = None
    evaluated: int = 0
    rejects: int = 0
    samples: dict[str, int] | None = None
    carved: dict[str, str] | None = None
    source: _Source | None = None
    checks: list[Check] = []
    known_flaws: list[str] | None = None


class _Background(_Task):
    asked: str
    source: _Source
    rejects: int
    checks: list[Check]


class _Shard(_Kinds):
    index: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1)]
    samples: int
    of: int
    digest: str


class _Engine(_Kinds):
    kind: str
    why: str


class _Spread(_Kinds):
    tokens: int
    largest: FiniteFloat
    mean: FiniteFloat
    sum: FiniteFloat = 0.0
    closer_to_base: bool = False


class _Threshold(_Kinds):
    value: FiniteFloat
    auroc: dict[str, FiniteFloat]
    right: int
    wrong: int


class CanaryKinds(_Kinds):
    """What an examination found (`engines.canary`)."""

    samples: int
    dtype: str | None
    path: str | None
    reason: str | None
    differences: dict[str, _Spread]
    noise: dict[str, _Spread]
    answers: dict[str, dict[str, int]]
    shards_without: int = 0
    observations: list[str] = []


class ManifestKinds(_Kinds):
    """A `run.json` or `shard.json`."""

    status: str
    config: dict[str, Any]
    rescored: dict[str, Any] | None = None
    benchmark: _Benchmark | None = None
    models: dict[str, _Model] | None = None
    tasks: list[_Task] | None = None
    background: _Background | None = None
    captures: list[Capture] | None = None
    engine: _Engine | None = None
    canary: CanaryKinds | None = None
    command: list[str] | None = None
    started: str | None = None
    versions: dict[str, Any] | None = None
    hardware: dict[str, Any] | None = None
    imported: dict[str, Any] | None = None
    shard: _Shard | None = None
    judged: int | None = None
    compared: dict[str, dict[str, int]] | None = None
    shots: dict[str, list[str]] | None = None
    threshold: _Threshold | None = None
    shards: list[dict[str, Any]] | None = None
