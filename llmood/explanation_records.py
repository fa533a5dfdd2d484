"""The frozen records of what explains a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Telling:
    """One token, and what it adds to its sample's score.

    Attributes:
        place: which token of the sample, from 0.
    """

    place: int
    text: str
    value: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What explains one sample's score.

    Attributes:
        kind: `neighbour`, the sample of `train` that is nearest to it; `tokens`, those of its tokens that add or take
            most; `answer`, what was answered, of a wrong answer that the scorer is surest of.
        of: the neighbour's id.
        distance: to it, as the scorer measures it.
        tokens: in the order of the text.
        text: the answer.
    """

    sample_id: str
    scorer: str
    kind: Literal["neighbour", "tokens", "answer"]
    of: str | None = None
    distance: float | None = None
    tokens: list[Telling] | None = None
    text: str | None = None
