"""Whether a run measures effective mutual information, and of which states: `emi`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from llmood.strict import Strict

StatesRole = Literal["base", "tuned", "encoder"]


class EmiConfig(Strict):
    """What answers tell of their prompts, less what the references tell, and how much of that each shift takes.

    `states` says whose vectors stand for the words: the embedding layer of `base` or `tuned`, or the `encoder`. Left
    out, the encoder where there is one and no task has pictures, else `base`, else `tuned`. `entropy` is the constant
    of the full bound, in nats; without it only the scaled one is told.
    """

    states: StatesRole | None = None
    entropy: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
