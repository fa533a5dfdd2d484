"""Which half of the calibration rows a group is in."""

from __future__ import annotations

from llmood.seeds import unit_interval


def half_of(group: str) -> str:
    """`calibrators` or `thresholds`, by hash of the group."""
    return "calibrators" if unit_interval(0, "halves", group) < 0.5 else "thresholds"
