"""Speed against a peer with the agreement of the numbers beside it: being fast and wrong is no feat."""

from __future__ import annotations

from typing import Any

from benchmarks import scoring
from benchmarks.record import Record
from benchmarks.timing import Timed

# What the log-probability of one token may differ by between two right ways to make it.
PER_TOKEN = {"float32": 1e-4, "bfloat16": 0.1}
LEAST = 1e-12  # equal numbers agree as well as any


def compared(
    name: str,
    peer: str,
    ours: Timed[scoring.Sums],
    theirs: Timed[Any],
    *,
    tokens: int,
    texts: int,
    dtype: str,
    command: str,
) -> list[Record]:
    """Tokens a second of both models together, and the largest difference of a text's log-likelihood."""
    models = len(ours.result)
    return [
        Record(
            name,
            models * texts * tokens / ours.seconds,
            "tokens/s",
            f"{peer}: {models * texts * tokens / theirs.seconds:.0f} tokens/s",
            theirs.seconds / ours.seconds,
            None,
            command,
        ),
        agreement(
            name,
            peer,
            scoring.largest_difference(ours.result, theirs.result),
            tokens * PER_TOKEN[dtype],
            command,
        ),
    ]


def agreement(name: str, peer: str, difference: float, allowed: float, command: str) -> Record:
    """How far apart the numbers are, under what may be."""
    return Record(
        f"{name}_agreement", difference, "nats", peer, allowed / max(difference, LEAST), 1.0, command
    )
