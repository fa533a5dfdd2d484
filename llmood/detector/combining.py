"""Several scores as one, and where a score stands among those of the calibration rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from llmood.measures import split_conformal
from llmood.measures.token_statistics import Floats


def p_values(scores: Floats, calibration: Floats) -> Floats:
    """Conformal p-values among calibration scores, float64 (n,); NaN stays NaN."""
    found = np.full(len(scores), np.nan)
    there = ~np.isnan(scores)
    found[there] = split_conformal.p_values(scores[there], calibration)
    return found


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
