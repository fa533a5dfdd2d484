"""How answers are decoded, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a request's answers are decoded.

    Attributes:
        draws: how many answers a request has; one where it is greedy.
        temperature: 0 is greedy, the likeliest token again and again.
        alternatives: how many of the likeliest tokens are kept beside each.
        end_ids: what ends an answer.
    """

    draws: int
    temperature: float
    top_p: float
    alternatives: int
    end_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, its end token with it.

    Attributes:
        logprobs: of each token, raw: before temperature and top-p.
        top_ids, top_logprobs: of each token the likeliest tokens in its place, if they were asked for.
        seed: what it was drawn with.
    """

    ids: list[int]
    logprobs: list[float]
    top_ids: Sequence[Sequence[int]] = ()
    top_logprobs: Sequence[Sequence[float]] = ()
    seed: int | None = None
