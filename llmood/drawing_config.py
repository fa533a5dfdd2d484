"""Further answers to each prompt, and when two of them say the same: `generations` and `equivalence`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictInt

from llmood.strict import Strict

CHOSEN: Literal["validation"] = "validation"
"""A threshold that is chosen on that split."""


class GenerationsConfig(Strict):
    """How further answers are drawn, for the scorers that compare them.

    `n` of them a prompt (scorers that compare draws need 2), at `temperature` from the likeliest words that make up
    `top_p`. `max_new_tokens`: by default as many as `response` has. `top`: how many alternatives a token are kept.
    """

    n: StrictInt = Field(default=10, ge=1, le=1000)
    temperature: float = Field(default=1.0, gt=0, le=10)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: StrictInt | None = Field(default=None, ge=1)
    top: StrictInt = Field(default=0, ge=0, le=100)


def _threshold(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != CHOSEN and not (number and 0 < value <= 1):
        raise ValueError(f"a number above 0 and up to 1, or '{CHOSEN}', is needed, not {value!r}")
    return value


class EquivalenceConfig(Strict):
    """When two answers to one question say the same.

    `exact`: the same words but for case, punctuation, articles and spacing. `numeric`: the same last number, as the
    rule `numeric_match` reads it. `nli`: `models.nli` finds that each follows from the other (`strict`), or that they
    don't contradict each other (`lax`: no contradiction either way, and not neutral both ways). `embedding`: the cosine
    of their vectors under `models.encoder` is at least `threshold`; `validation` chooses that by the judged answers to
    the ID task's `validation` rows. `judge`: `models.judge`, or the tuned model where
    there is none, finds Yes likelier than No when it is asked whether they mean the same, in either order. By default
    `nli` where `models.nli` is configured, else `exact`. `question`: whether an answer is read behind its question; by
    default it is for `nli` and `judge`, and isn't for `embedding`, whose vectors a shared question would draw together.
    """

    rule: Literal["exact", "numeric", "embedding", "nli", "judge"] | None = None
    mode: Literal["strict", "lax"] = "strict"
    threshold: Annotated[
        Annotated[float, Field(gt=0, le=1)] | Literal["validation"], BeforeValidator(_threshold)
    ] = 0.8
    question: bool | None = None
