"""The frozen records that cross between floors. Columns in the middle, records at the edges."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from llmood.picture_records import Picture

Population = Literal["id", "ood", "background"]
Shift = Literal["none", "near", "far", "covariate"]
Split = Literal["train", "validation", "calibration", "test"]
Part = Literal["train", "validation", "calibration", "test", "background"]
"""Which of a run's rows: those of a split of its benchmark, or those of a background, which are of none."""
Status = Literal["ok", "unscored", "failed"]
Severity = Literal["info", "warning", "error"]

SPLITS: tuple[Split, ...] = ("train", "validation", "calibration", "test")
EVALUATED: Split = "test"
BACKGROUND: Literal["background"] = "background"
CONTROL = "control"
"""The parameter of a capture that names its control."""
CALIBRATION: Split = "calibration"
SHIFTS: tuple[Shift, ...] = ("near", "far", "covariate")

OK: Status = "ok"
UNSCORED: Status = "unscored"
FAILED: Status = "failed"

# Reasons that several rooms give: what is counted by its words has to be the same words.
EMPTY_ANSWER = "empty answer"
EMPTY_DRAWS = "every draw is empty"
NO_REFERENCE = "no reference"

DERIVED = "derived:"
"""How the target of a capture begins that is fed a prompt made by a template: `derived:<template>@<version>`."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt. `content` is its text; pictures are the sample's (`parts_of`)."""

    role: str
    content: str

    def to_json(self) -> dict[str, Any]:
        return {"role": self.role, "content": [{"type": "text", "text": self.content}]}


def parts_of(messages: Sequence[Message], images: Sequence[str]) -> list[dict[str, Any]]:
    """The turns as JSON, their content in parts: the pictures, by digest, before the words of the user's first turn."""
    turns = [message.to_json() for message in messages]
    if images:
        shown = next((turn for turn in turns if turn["role"] == "user"), turns[0])
        shown["content"] = [*({"type": "image", "image": each} for each in images), *shown["content"]]
    return turns


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt of a task, maybe with what is known of it.

    `messages` is the prompt before any chat template; `chat` says whether one is to be applied (else the only
    message's text is the prompt, to the letter). `sample_id` hashes task, split, content and occurrence number.
    `images` are the digests of `pictures`, and part of the content. `votes` says how many raters were for each answer.
    """

    sample_id: str
    task: str
    split: Split
    messages: tuple[Message, ...]
    chat: bool = False
    domain: str | None = None
    label: str | None = None
    group: str | None = None
    parent_id: str | None = None
    severity: int | None = None
    language: str | None = None
    references: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    votes: Mapping[str, int] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    source_line: str | None = None
    cells: Mapping[str, Any] = field(
        default_factory=dict
    )  # what the prompt was made of, where that was asked for

    @property
    def text(self) -> str:
        """The words of the prompt, without template: what a person reads, what splits are compared by."""
        return "\n".join(message.content for message in self.messages)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be read: where it stands and why it was left out."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class CaptureSpec:
    """One thing that an engine records of each sample.

    Args:
        kind: `prompt_logprobs`, `response`, … (the kinds of `tables.CAPTURE_SCHEMAS`).
        model: the role that runs: `base`, `tuned`, …
        target: what is fed: `prompt`, `response` (alone), `prompt_response`, or `derived:<template>@<version>`.
        params: what else decides the numbers, as sorted (name, value) pairs; use `of` to write them by name.
    """

    kind: str
    model: str
    target: str = "prompt"
    params: tuple[tuple[str, str | int | float | bool], ...] = ()

    @classmethod
    def of(
        cls, kind: str, model: str, target: str = "prompt", **params: str | int | float | bool
    ) -> CaptureSpec:
        return cls(kind, model, target, tuple(sorted(params.items())))

    @property
    def id(self) -> str:
        """Its name in files and messages: `prompt_logprobs/base/prompt`, parameters behind."""
        shown = ",".join(f"{name}={value}" for name, value in self.params)
        return f"{self.kind}/{self.model}/{self.target}" + (f"?{shown}" if shown else "")

    @classmethod
    def from_id(cls, text: str) -> CaptureSpec:
        """The kind, model and target of an id; its parameters stay text."""
        name, _, params = text.partition("?")
        kind, model, target = name.split("/")
        # A value may hold commas: a new pair begins where a name and "=" follow one.
        pairs = (pair.partition("=") for pair in re.split(r",(?=\w+=)", params) if pair)
        return cls(kind, model, target, tuple((key, value) for key, _, value in pairs))

    @property
    def needs_response(self) -> bool:
        """Whether a response has to exist before this can be captured."""
        return self.target in ("response", "prompt_response") or self.is_derived

    @property
    def is_derived(self) -> bool:
        """Whether what is fed is made by a template. Any of them waits for the response, also one that asks anew."""
        return self.target.startswith(DERIVED)

    @property
    def fed(self) -> str:
        """What an engine sees as the target: a derived prompt is a prompt."""
        return "prompt" if self.is_derived else self.target

    @property
    def responder(self) -> str:
        """The role whose response that is: `tuned`, unless the parameters name another."""
        return str(dict(self.params).get("responder", "tuned"))

    @property
    def control(self) -> str | None:
        """What is changed of each prompt before it is captured; None where nothing is."""
        found = dict(self.params).get(CONTROL)
        return None if found is None else str(found)

    @property
    def plain(self) -> CaptureSpec:
        """The same without its control: what an engine is asked for, which is sent a changed prompt."""
        return self.under(None)

    def under(self, control: str | None) -> CaptureSpec:
        """The same of prompts that are changed so."""
        params = {name: value for name, value in self.params if name != CONTROL}
        return CaptureSpec.of(
            self.kind, self.model, self.target, **params, **({} if control is None else {CONTROL: control})
        )

    def on_adapter(self, role: str) -> CaptureSpec:
        """The same of another adapter: `tuned` becomes that role, and so does who responds."""
        if role == "tuned":
            return self
        params = {**dict(self.params), "responder": role} if self.needs_response else dict(self.params)
        return CaptureSpec.of(self.kind, role if self.model == "tuned" else self.model, self.target, **params)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a scorer gives for a block: one float64 a sample, NaN exactly where a reason stands beside it."""

    values: NDArray[np.float64]
    reasons: Sequence[str | None]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.reasons):
            raise ValueError(f"{len(self.values)} scores but {len(self.reasons)} reasons")


@dataclass(frozen=True, slots=True)
class Check:
    """A named warning that travels with the numbers.

    `severity` error makes the run fail; warning and info are shown beside the tables.
    """

    code: str
    severity: Severity
    title: str
    detail: str
    task: str | None = None
    values: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRecord:
    """One number of `metrics.json`, with all that is needed to read it alone. Null where it does not apply."""

    schema: int = 1
    benchmark: str
    question: str
    scorer: str | None
    calibrator: str | None = None
    correctness: str | None = None
    population: str | None = None
    id_task: str
    ood_task: str | None = None
    shift: Shift = "none"
    severity: int | None = None
    slice: str | None = None
    split: Split = "test"
    metric: str
    params: Mapping[str, Any] = field(default_factory=dict)
    value: float | None
    reason: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    ci_level: float | None = None
    ci_method: str | None = None
    n: int
    n_negative: int | None = None
    n_positive: int | None = None
    n_unscored: int = 0
    positive_class: str | None = None
    higher_is_better: bool | None = None
