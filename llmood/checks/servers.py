"""What can't be known of a model that is only a name at an address."""

from __future__ import annotations

from collections.abc import Iterator

from llmood.checks.base import CheckInput, checks
from llmood.records import Check


@checks.register("unseen_weights")
def unseen_weights(given: CheckInput) -> Iterator[Check]:
    """A name says nothing about weights: what is served under it today may be replaced tomorrow."""
    for role, model in given.models.items():
        if not model.get("server"):
            continue
        if model["identity"].get("weights"):
            how = f"it was known again by what it gives for a probe, first on {model['first_seen']}"
            if model.get("seen_before"):
                how += (
                    f"; {_models(model['seen_before'])} under that name before, and nothing of that was used"
                )
        else:
            how = "it gives no numbers that it could be known again by, so a change would go unnoticed"
        yield Check(
            code="unseen_weights",
            severity="info" if model["identity"].get("weights") else "warning",
            title="Weights that nobody here has seen",
            detail=f"models.{role} is what {model['server']} serves as '{model['name']}': {how}.",
            values={"seen_before": model.get("seen_before")},
        )


@checks.register("lengths_in_bytes")
def lengths_in_bytes(given: CheckInput) -> Iterator[Check]:
    """Without a tokenizer no token can be counted: what is called a length is another one."""
    if any(model.get("counted_in") == "bytes" for model in given.models.values()):
        yield Check(
            code="lengths_in_bytes",
            severity="warning",
            title="Lengths in bytes",
            detail="No tokenizer was named (engine.server.tokenizer): lengths, the scorer 'length' among them, count "
            "the bytes that were sent, the frame around chat messages with them, and no tokens.",
        )


def _models(count: int) -> str:
    return "another model was served" if count == 1 else f"{count} other models were served"
