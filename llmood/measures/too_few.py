"""The error of who promises more than the calibration data can hold."""

from __future__ import annotations

from math import ceil, floor, log10


class TooFewError(ValueError):
    """So few calibration rows can't promise so small an α.

    Attributes:
        n: how many calibration rows there are.
        alpha: what was asked for.
        least_alpha: the smallest α that so many rows can promise; None where no α below 1 can be.
        needed: how many rows the α that was asked for takes.
    """

    def __init__(self, n: int, alpha: float, least_alpha: float | None, needed: int) -> None:
        self.n, self.alpha, self.least_alpha, self.needed = n, alpha, least_alpha, needed
        least = "nothing" if least_alpha is None else f"no α below {rounded_up(least_alpha):g}"
        rows = "row" if n == 1 else "rows"
        super().__init__(f"{n:,} calibration {rows} can promise {least}: α = {alpha:g} takes {needed:,}")


def rounded_up(value: float, digits: int = 3) -> float:
    """A value above 0 to three digits, never below it: what a reader copies must be allowed.

    >>> rounded_up(1 / 19)
    0.0527
    """
    places = digits - 1 - floor(log10(value))
    # 0.05 · 10³ is a little more than 50: what differs by rounding only is already round.
    scaled = value * 10.0**places
    whole = round(scaled) if abs(scaled - round(scaled)) < 1e-9 else ceil(scaled)
    return max(float(round(whole / 10.0**places, places)), value)
