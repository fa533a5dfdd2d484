"""Requests and answers of the guard's own routes, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr

MOST_RECORDS = 256


class Turn(BaseModel):
    """One turn of a chat."""

    model_config = ConfigDict(extra="allow")
    role: StrictStr
    content: StrictStr | list[dict[str, Any]] | None = None


class Record(BaseModel):
    """A question: `text`, `messages`, `prompt` to the letter, or the columns of the task that the detector knows.

    `response` is what the model answered, for a detector that looks at answers.
    """

    model_config = ConfigDict(extra="allow")
    text: StrictStr | None = None
    messages: list[Turn] | None = None
    prompt: StrictStr | None = None
    response: StrictStr | None = None
    records: None = Field(default=None, description="Of many questions, not of one.")


class Records(BaseModel):
    """Many questions at once."""

    model_config = ConfigDict(extra="forbid")
    records: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_RECORDS)]


class Verdict(BaseModel):
    """A decision, with the names of the columns of `llmood score`; `answer_…` for each promise about answers.

    A question that could not be scored has no score, a `status` of `unscored` or `failed`, and a `reason`.
    """

    model_config = ConfigDict(extra="allow")
    id: str
    score: float | None
    p_value: float | None
    flag: bool | None
    confidence: float | None
    status: Literal["ok", "unscored", "failed"]
    reason: str | None
    action: Literal["scored", "passed", "refused"]
    parts: dict[str, float | None]


class Verdicts(BaseModel):
    """Decisions, in the order of the questions."""

    results: list[Verdict]


class ErrorDetail(BaseModel):
    """What is wrong, for a person and for a program."""

    message: str
    type: str
    code: str


class ErrorBody(BaseModel):
    """Every answer that is none."""

    error: ErrorDetail


class Promise(BaseModel):
    """What a threshold promises."""

    model_config = ConfigDict(extra="allow")
    target: str


class About(BaseModel):
    """The detector at work."""

    name: str
    digest: str
    stage: Literal["pre", "post"]
    scorers: list[str]
    thresholds: list[Promise]
    calibration_rows: int
    id_task: str
    on_flag: Literal["annotate", "refuse"]
    on_failure: Literal["open", "closed"]
    version: str


class Health(BaseModel):
    """Whether the guard lives, and takes questions."""

    status: str
