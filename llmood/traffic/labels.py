"""What is known of a row beforehand: whether its answer is right, whether it is out of domain."""

from __future__ import annotations

from typing import Any

CORRECT, OOD = "correct", "ood"
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def truth(value: Any) -> bool | None:
    """A label as a truth value, also as CSV writes it; None where it is none.

    >>> truth(True), truth("No"), truth(1), truth(0.7), truth(None)
    (True, False, True, None, None)
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return _WORDS.get(value.strip().lower()) if isinstance(value, str) else None
