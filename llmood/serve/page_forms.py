"""Requests and answers of the routes behind the page, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr


class Question(BaseModel):
    """A question, and for a detector that looks at answers maybe what the model answered."""

    model_config = ConfigDict(extra="forbid")
    text: StrictStr
    response: StrictStr | None = None


class WordChange(BaseModel):
    """A word, or several together where a question has many, and what it adds to the score."""

    text: str
    change: float | None
    reason: str | None


class Explanation(BaseModel):
    """A question word by word: the score with each word, less the score without it."""

    score: float | None
    status: Literal["ok", "unscored", "failed"]
    reason: str | None
    grouped: bool
    words: list[WordChange]


class Window(BaseModel):
    """Decisions of a while; the flag rate with its interval, and the range that the promise leads one to expect."""

    name: Literal["minute", "hour", "start"]
    decisions: int
    scored: int
    flagged: int
    flag_rate: float | None
    low: float | None
    high: float | None
    level: float
    expected_low: float | None
    expected_high: float | None
    standing: Literal["none", "within", "above", "below"]


class FlaggedQuestion(BaseModel):
    """A question that was flagged."""

    time: datetime
    text: str
    score: float | None
    p_value: float | None
    action: str


class Minute(BaseModel):
    """One of the last 60 minutes."""

    decisions: int
    flagged: int


class Traffic(BaseModel):
    """What came in since the start, counted in memory.

    `flagged` is null where no text is shown.
    """

    since: datetime
    promised: float
    waiting: int
    windows: list[Window]
    statuses: dict[str, int]
    actions: dict[str, int]
    p50: Annotated[float | None, Field(description="Seconds to a decision.")]
    p99: Annotated[float | None, Field(description="Seconds to a decision.")]
    minutes: list[Minute]
    flagged: list[FlaggedQuestion] | None
