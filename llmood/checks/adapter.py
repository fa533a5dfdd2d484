"""Does tuning make any difference to the model at all?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from llmood.checks.base import CheckInput, checks
from llmood.records import CaptureSpec, Check

# What batching alone may move a float32 token log-probability by; a real adapter moves some token by far more.
SAME = 1e-4


@checks.register("tuned_equals_base")
def tuned_equals_base(given: CheckInput) -> Iterator[Check]:
    """An adapter that wasn't applied, or the base model given twice: every ratio is 0 or rounding, and plausible."""
    specs = [CaptureSpec.of("prompt_logprobs", role) for role in ("base", "tuned")]
    if not all(given.observations.has(spec) for spec in specs):
        return
    largest = 0.0
    seen = False
    for block in given.observations.blocks(specs, {"prompt_logprobs": ["logprobs"]}):
        base, tuned = (block[spec]["logprobs"] for spec in specs)
        both = pc.and_(pc.is_valid(base), pc.is_valid(tuned))
        ours, theirs = (pc.list_flatten(column.filter(both)).to_numpy() for column in (base, tuned))
        difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
        scored = difference[~np.isnan(difference)]
        seen |= scored.size > 0
        largest = max(largest, float(scored.max(initial=0.0)))
    if seen and largest <= SAME:
        yield Check(
            code="tuned_equals_base",
            severity="error",
            title="The tuned model is the base model",
            detail=(
                "Base and tuned model gave the same log-probability for every token "
                f"(largest difference {largest:.1e}): the adapter was not applied, or both are the same model."
            ),
            values={"largest_difference": largest},
        )
