"""How far two shares, each of its own samples, lie apart."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

from llmood.metrics.interval import check_level


def difference_of_shares(
    first: tuple[int, int], second: tuple[int, int], level: float = 0.95
) -> tuple[float, float]:
    """The interval of p₁ − p₂, by Newcombe's hybrid of two Wilson intervals [lᵢ, uᵢ]; it holds at shares of 0 and 1.

    From d − √((p₁ − l₁)² + (u₂ − p₂)²) to d + √((u₁ − p₁)² + (p₂ − l₂)²), d = p₁ − p₂.

    Source: Newcombe, "Interval Estimation for the Difference Between Independent Proportions" (Statistics in Medicine
    17, 1998), method 10, without correction for continuity.

    Args:
        first, second: how many of how many; each of at least one.

    Raises:
        ValueError: of none, or more than all.
    """
    z = NormalDist().inv_cdf((1.0 + check_level(level)) / 2.0)
    (low_1, one, high_1), (low_2, two, high_2) = wilson(*first, z), wilson(*second, z)
    down = sqrt((one - low_1) ** 2 + (high_2 - two) ** 2)
    up = sqrt((high_1 - one) ** 2 + (two - low_2) ** 2)
    return one - two - down, one - two + up


def wilson(hits: float, of: float, z: float) -> tuple[float, float, float]:
    """A share between the ends of Wilson's score interval; counts need not be whole (groups that are partly right).

    Source: Wilson, "Probable Inference" (Journal of the American Statistical Association 22, 1927).
    """
    if not 0 <= hits <= of or not of:
        raise ValueError(f"a share is of at least one and no more than all, not {hits} of {of}")
    share = hits / of
    middle = share + z**2 / (2 * of)
    spread = z * sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    scale = 1 + z**2 / of
    return (middle - spread) / scale, share, (middle + spread) / scale
