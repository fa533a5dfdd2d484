"""A small world with calibration rows, for detectors over the fake engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.worlds import BANK, World, write_world

TRAIN = [{"text": f"my bank card {i} for a trip"} for i in range(40)]
CALIBRATION = [{"text": f"a bank card number {i} of mine in travel"} for i in range(120)]
SPLITS = {"train": TRAIN, "calibration": CALIBRATION, "test": BANK}


def detecting_world(folder: Path, **keys: Any) -> World:
    """`bank` with rows to learn from and to calibrate by; `keys` as for `write_world`."""
    given = {"bank": SPLITS, "scorers": ["likelihood_ratio", "tfidf_knn", "likelihood"], **keys}
    return write_world(folder, **given)
