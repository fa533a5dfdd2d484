"""What a natural-language-inference model says of two texts, and when that makes them equivalent."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Verdict(IntEnum):
    """The classes of natural-language inference, in the order of their agreement."""

    CONTRADICTION = 0
    NEUTRAL = 1
    ENTAILMENT = 2


def undecided(forward: NDArray[np.integer], *, strict: bool = True) -> NDArray[np.bool_]:
    """Where the verdict on (b, a) still decides whether two texts are `equivalent`, given that on (a, b)."""
    one = np.asarray(forward)
    return np.asarray(one == Verdict.ENTAILMENT if strict else one != Verdict.CONTRADICTION)


def equivalent(
    forward: NDArray[np.integer], backward: NDArray[np.integer], *, strict: bool = True
) -> NDArray[np.bool_]:
    """Whether two texts mean the same, from the verdicts on (a, b) and on (b, a), arrays of one shape.

    Strict: each entails the other. Lax: neither contradicts the other, and at least one entails it.

    Source: Kuhn et al., "Semantic Uncertainty" (ICLR 2023), for the strict rule; Farquhar et al. (Nature 630, 2024),
    published code, for the lax one.
    """
    one, other = np.asarray(forward), np.asarray(backward)
    if strict:
        return np.asarray((one == Verdict.ENTAILMENT) & (other == Verdict.ENTAILMENT))
    entails = (one == Verdict.ENTAILMENT) | (other == Verdict.ENTAILMENT)
    return np.asarray(entails & (one != Verdict.CONTRADICTION) & (other != Verdict.CONTRADICTION))


def combined_verdict(forward: NDArray[np.integer], backward: NDArray[np.integer]) -> NDArray[np.int64]:
    """One verdict from those on (a, b) and on (b, a): what either says against neutral, neutral where they disagree.

    It is their sum on a scale from −1 to 1, cut off there. lm-polygraph combines verdicts so for claim-conditioned
    probability.
    """
    scale = np.asarray(forward, dtype=np.int64) + np.asarray(backward, dtype=np.int64) - 2 * Verdict.NEUTRAL
    return np.asarray(np.clip(scale, -1, 1) + Verdict.NEUTRAL, dtype=np.int64)
