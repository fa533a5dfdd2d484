"""The kinds of what `detector.json` holds, told before anything is made of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from llmood.detector.content import Stage


class Named(BaseModel):
    """A scorer, as far as its kind is told here."""

    model_config = ConfigDict(strict=True)

    name: str


class Identified(BaseModel):
    """A model, as far as its kind is told here."""

    model_config = ConfigDict(strict=True)

    identity: dict[str, Any]


class Fitted(BaseModel):
    """What it was fitted on, as far as its kind is told here."""

    model_config = ConfigDict(strict=True)

    task: str


class Kinds(BaseModel):
    """The kinds of what `detector.json` holds, as far as they aren't looked at where they are read."""

    model_config = ConfigDict(strict=True)

    name: str
    llmood: str
    stage: Stage
    scorers: list[Named] = Field(min_length=1)
    thresholds: list[dict[str, Any]] = Field(min_length=1)
    config: dict[str, Any]
    models: dict[str, Identified]
    captures: list[str]
    form: dict[str, Any]
    data: Fitted
    calibrator: dict[str, Any] | None
    end: int | None
    files: dict[str, str]
