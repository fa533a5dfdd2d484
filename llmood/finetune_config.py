"""How `llmood finetune` tunes an adapter: a profile's values, and what the user changes of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt

from llmood.strict import Strict, not_empty


class Mixed(Strict):
    """Rows of another task's `train` that are mixed into the training data, for a contamination sweep."""

    task: str
    rows: StrictInt = Field(ge=0)


class FinetuneConfig(Strict):
    """The `finetune` section of a configuration. What is null is the profile's.

    `on` is what the loss sees: the whole `text` (the prompt, and the first reference behind it where `answers` is
    set), or the `response` alone. `seeds` makes one adapter each.
    """

    profile: Literal["default", "small"] = "default"
    on: Literal["text", "response"] = "text"
    answers: bool | None = None
    learning_rate: float | None = Field(default=None, gt=0)
    rank: StrictInt | None = Field(default=None, ge=1)
    alpha: float | None = Field(default=None, gt=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    targets: tuple[str, ...] | None = None
    batch_size: StrictInt | None = Field(default=None, ge=1)
    epochs: StrictInt | None = Field(default=None, ge=1)
    warmup: float | None = Field(default=None, ge=0, le=1)
    weight_decay: float | None = Field(default=None, ge=0)
    max_gradient: float | None = Field(default=None, gt=0)
    max_length: StrictInt | None = Field(default=None, ge=2)
    end_token: bool | None = None
    seeds: Annotated[tuple[StrictInt, ...], AfterValidator(not_empty)] = (0,)
    mix: tuple[Mixed, ...] = ()
