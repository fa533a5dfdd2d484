"""The two halves of the `calibration` rows: one for calibrators, the other for thresholds."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from llmood.lineage import group_keys
from llmood.seeds import unit_interval
from llmood.tokenise import hidden_once

Half = Literal["calibrators", "thresholds"]
CALIBRATORS: Half = "calibrators"
THRESHOLDS: Half = "thresholds"


def half_of(key: str) -> Half:
    """The half of a group by hash, else of a sample by its id: the same for every seed, and when rows are added.

    >>> half_of("group:town 1"), half_of("group:town 2")
    ('calibrators', 'thresholds')
    """
    return CALIBRATORS if unit_interval(0, "half of calibration", key) < 0.5 else THRESHOLDS


def halves(samples: pa.Table) -> list[Half]:
    """The half of each sample: those of a group are in one, and so is what was made of a sample.

    A run that keeps no text (`--no-text`) has the same halves before and after it hides the names of groups.

    Args:
        samples: of `tables.SAMPLES`, as they were read or as a run keeps them.
    """
    return [half_of(key) for key in group_keys(hidden_once(samples))]
