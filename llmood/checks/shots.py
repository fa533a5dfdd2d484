"""Prompts that showed fewer judged answers than they were to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from llmood.checks.base import CheckInput, checks
from llmood.engines.captures import shown_shots
from llmood.records import CaptureSpec, Check


@checks.register("fewer_shots")
def fewer_shots(given: CheckInput) -> Iterator[Check]:
    """A prompt that is too long for the context shows fewer shots: its score is of another question."""
    for capture in given.observations.captures:
        if shown_shots(CaptureSpec.from_id(capture)) is None:
            continue
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
