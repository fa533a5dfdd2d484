"""Does tuning make any difference to the model at all?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from llmood.checks.base import CheckInput, checks
from llmood.engines.observations import Observations
from llmood.records import CaptureSpec, Check

# What batching alone may move a float32 token log-probability by; a real adapter moves some token by far more.
SAME = 1e-4
TARGETS = ("prompt", "prompt_response", "response")


@checks.register("tuned_equals_base")
def tuned_equals_base(given: CheckInput) -> Iterator[Check]:
    """An adapter that wasn't applied, or the base model given twice: every ratio is 0 or rounding, and plausible."""
    identities = [given.models[role]["identity"] for role in ("base", "tuned") if role in given.models]
    largest = largest_difference(given.observations)
    if len(identities) == 2 and identities[0] == identities[1]:
        reason = "they have the same weights and settings"
    elif largest is not None and largest <= SAME:
        reason = (
            f"no token's log-probability differs by more than {largest:.1e}: the adapter was not applied, "
            "or both are the same model"
        )
    else:
        return
    yield Check(
        code="tuned_equals_base",
        severity="error",
        title="The tuned model is the base model",
        detail=f"The tuned model is the base model: {reason}.",
        values={"largest_difference": largest},
    )


def largest_difference(observations: Observations) -> float | None:
    """The largest |log p_base − log p_tuned| of any token that both models scored; None where there is none."""
    found: list[float] = []
    for target in TARGETS:
        specs = [CaptureSpec.of("prompt_logprobs", role, target) for role in ("base", "tuned")]
        if not all(observations.has(spec) for spec in specs):
            continue
        for block in observations.blocks(specs, {"prompt_logprobs": ["logprobs"]}):
            base, tuned = (block[spec]["logprobs"] for spec in specs)
            both = pc.and_(pc.is_valid(base), pc.is_valid(tuned))
            ours, theirs = (
                pc.list_flatten(column.filter(both)).to_numpy().astype(np.float64) for column in (base, tuned)
            )
            scored = ~np.isnan(ours) & ~np.isnan(theirs)
            # Both −∞ is no difference; one of them is all the difference there can be.
            alike = ours[scored] == theirs[scored]
            if scored.any():
                apart = np.abs(ours[scored][~alike] - theirs[scored][~alike])
                found.append(float(apart.max(initial=0.0)))
    return max(found, default=None)
