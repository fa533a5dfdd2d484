"""Does tuning make any difference to the model at all?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

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
    yield from equal_to_base(given.models, given.observations)


def equal_to_base(models: Mapping[str, Mapping[str, Any]], observations: Observations) -> Iterator[Check]:
    """An error of each tuned model that is the base model by its content or by its numbers.

    Args:
        models: each role's entry in `run.json`.
    """
    identities = {role: model["identity"] for role, model in models.items()}
    for role in ("tuned", *(role for role in identities if role.startswith("tuned:"))):
        largest = largest_difference(observations, role)
        if role in identities and identities.get("base") == identities[role]:
            reason = "they have the same weights and settings"
        elif largest is not None and largest <= SAME:
            reason = (
                f"no token's log-probability differs by more than {largest:.1e}: the adapter was not applied, "
                "or both are the same model"
            )
        else:
            continue
        which = "The tuned model" if role == "tuned" else f"The adapter {models[role]['name']} ({role})"
        yield Check(
            code="tuned_equals_base",
            severity="error",
            title="The tuned model is the base model",
            detail=f"{which} is the base model: {reason}.",
            values={"largest_difference": largest},
        )


@checks.register("same_adapter")
def same_adapter(given: CheckInput) -> Iterator[Check]:
    """Two adapters of the same content: a spread over them is smaller than it is."""
    roles: dict[str, list[str]] = {}
    for role, model in given.models.items():
        adapter = model["identity"].get("adapter")
        if adapter:
            roles.setdefault(adapter, []).append(role)
    for same in roles.values():
        if len(same) > 1:
            yield Check(
                code="same_adapter",
                severity="warning",
                title="The same adapter twice",
                detail=f"{' and '.join(same)} are the same adapter by content: they say nothing about its spread.",
            )


def largest_difference(observations: Observations, role: str = "tuned") -> float | None:
    """The largest |log p_base − log p_tuned| of any token that both models scored; None where there is none."""
    found: list[float] = []
    for target in TARGETS:
        specs = [
            CaptureSpec.of("prompt_logprobs", model, target).on_adapter(role) for model in ("base", "tuned")
        ]
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
