"""Prompts that showed fewer judged answers than they were to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from llmood.checks.base import CheckInput, checks
from llmood.records import Check


@checks.register("fewer_shots")
def fewer_shots(given: CheckInput) -> Iterator[Check]:
    """A prompt that is too long for the context shows fewer shots: its score is of another question."""
    for capture in given.observations.captures:
        counts = Counter(given.observations.notes(capture).values())
        if counts:
            shown = "; ".join(f"{count} samples: {note}" for note, count in sorted(counts.items()))
            yield Check(
                "fewer_shots",
                "warning",
                "Prompts with fewer examples",
                f"The context is too short for all shots of {capture}. {shown}.",
                values=dict(counts),
            )
