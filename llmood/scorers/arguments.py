"""What a scorer's constructor asks of its arguments; a ValueError becomes the user's one line."""

from __future__ import annotations


def check_count(name: str, value: object, least: int = 1) -> None:
    """A whole number, not below `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is a whole number of at least {least}, not {value!r}")


def check_share(name: str, value: object) -> None:
    """A number above 0, at most 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError(f"{name} is a number above 0 and at most 1, not {value!r}")


def check_seed(value: object) -> None:
    """A whole number, 0 or more."""
    check_count("seed", value, least=0)
