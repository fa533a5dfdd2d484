"""Several scores as one, and where a score stands among those of the calibration rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def p_values(scores: Floats, calibration: Floats) -> Floats:
    """The share of calibration scores that are as high: (1 + #{c ≥ s}) / (n + 1), float64 (n,); NaN stays NaN.

    Args:
        calibration: sorted, without NaN. Ties count against the score: no p-value is too small.
    """
    below = np.searchsorted(calibration, scores, side="left")
    found = (1.0 + len(calibration) - below) / (len(calibration) + 1.0)
    return np.where(np.isnan(scores), np.nan, found)


def own_p_values(scores: Floats) -> Floats:
    """The same of scores among themselves, each left out for itself: #{c ≥ s} / n."""
    ordered = np.sort(scores)
    found: Floats = (len(ordered) - np.searchsorted(ordered, scores, side="left")) / len(ordered)
    return found


def combined(p_values_of: Mapping[str, Floats]) -> Floats:
    """−mean_k log p_k: Fisher's sum, divided by how many there are; NaN where one of them is.

    >>> combined({"a": np.array([1.0, 0.1]), "b": np.array([1.0, 0.1])}).round(3).tolist()
    [0.0, 2.303]
    """
    logs = [np.log(values) for values in p_values_of.values()]
    # 0 − x rather than −x: no score is −0.0.
    found: Floats = 0.0 - np.mean(logs, axis=0)
    return found
