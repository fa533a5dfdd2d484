"""Did the engine give the numbers of the models that the run names, and how far do they move by themselves?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmood.checks.base import CheckInput, checks
from llmood.checks.identities import is_fake
from llmood.engines.base import ENCODER
from llmood.records import Check

# What two right ways may differ by, a token: the largest difference, and the mean. In half precision each product is
# rounded, and the rounding depends on how it was cut into blocks.
TOLERANCES = {"float32": (1e-3, 1e-4)}
HALF_TOLERANCE = (1.0, 0.1)
UNPROVEN = "so nothing proves that the models were applied"


@checks.register("canary")
def canary(given: CheckInput) -> Iterator[Check]:
    """Some samples, scored a second way: whatever differs beyond rounding is a number of another model."""
    found = given.canary
    why = _not_examined(given)
    if why is not None:
        yield Check("canary", "warning", "Not scored a second way", f"{why}.")
        return
    if not found:
        return
    without = found.get("shards_without", 0)
    if without:
        detail = f"In {without} of the run's shards no sample was scored a second way, {UNPROVEN} there."
        yield Check("canary", "warning", "Shards not scored a second way", detail, values={"shards": without})
    yield from two_ways(found)


def two_ways(found: Mapping[str, Any] | None) -> Iterator[Check]:
    """What came of scoring some samples a second way, an error of each role that differs.

    Args:
        found: of `engines.canary.examine`; None, and without a second way, it says nothing.
    """
    if not found or found["path"] is None:
        return
    largest, mean = TOLERANCES.get(str(found["dtype"]), HALF_TOLERANCE)
    for role, apart in found["differences"].items():
        astray = _astray(apart, largest, mean)
        if astray:
            detail = (
                f"{found['samples']} samples were scored a second way ({found['path']}): {role} differs by "
                f"{apart['largest']:.2g} at most and {apart['mean']:.2g} in the mean a token, {astray}."
            )
            values = {"role": role, "largest": apart["largest"], "mean": apart["mean"]}
            yield Check("canary", "error", "Two ways, two numbers", detail, values=values)
    worst = max((apart["largest"] for apart in found["differences"].values()), default=None)
    if worst is not None and not any(_astray(each, largest, mean) for each in found["differences"].values()):
        yield Check(
            "canary",
            "info",
            "Scored a second way",
            f"{found['samples']} samples were scored a second way ({found['path']}): no token's log-probability "
            f"differs by more than {worst:.1e} (allowed: {largest:g}).",
            values={"largest": worst, "allowed": largest},
        )


def _not_examined(given: CheckInput) -> str | None:
    """Why no sample was compared, where that is worth a warning: an engine without a model has nothing to prove."""
    found = given.canary
    if not found:
        spoken = any(role != ENCODER for role in given.models)
        off = spoken and not given.canary_asked and not is_fake(given.models)
        return f"engine.canary is 0: no sample was scored a second way, {UNPROVEN}" if off else None
    if found["path"] is None:
        return f"No sample was scored a second way, {UNPROVEN}: {found['reason']}"
    if not found["differences"]:
        return f"None of the samples chosen for it has a log-probability to compare, {UNPROVEN}"
    return None


@checks.register("noise_floor")
def noise_floor(given: CheckInput) -> Iterator[Check]:
    """How far the engine's own numbers move when the same texts are sent again among other mates."""
    found = given.canary
    if not found:
        return
    for role, apart in found["noise"].items():
        yield Check(
            "noise_floor",
            "info",
            "Noise floor",
            f"Sent again, {role} gave log-probabilities that differ by {apart['largest']:.1e} at most a token, and by "
            f"{apart['sum']:.1e} at most summed over a text: differences of scores below that mean nothing.",
            values={"role": role, **apart},
        )
    for role, counts in found["answers"].items():
        if counts["same"] < counts["asked"]:
            yield Check(
                "noise_floor",
                "warning",
                "Greedy answers that change",
                f"Asked again, {role} gave another answer to {counts['asked'] - counts['same']} of "
                f"{counts['asked']} prompts: rounding decides between tokens that are as likely.",
                values={"role": role, **counts},
            )


def _astray(apart: Mapping[str, Any], largest: float, mean: float) -> str | None:
    if apart.get("closer_to_base") and apart["mean"] > 0:
        return "and is closer to the base model: the adapter was not applied"
    if not (apart["largest"] <= largest and apart["mean"] <= mean):
        return f"where {largest:g} and {mean:g} are allowed"
    return None
