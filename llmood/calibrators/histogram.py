"""Histogram binning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.calibrators.base import LEAST_ROWS, Calibrator, register
from llmood.errors import StoreError
from llmood.measures.histogram_binning import Bins, fit_histogram, histogram_confidence
from llmood.measures.token_statistics import Floats


@register
class Histogram(Calibrator):
    """The share of right answers in bins of equal mass: nothing is assumed, and a higher score may be more confident.

    Formula: `measures.histogram_binning` (Zadrozny and Elkan, ICML 2001).

    Args:
        bins: at most so many; each needs two answers.
    """

    id: ClassVar[str] = "histogram"
    monotone: ClassVar[bool] = False
    edges_: list[float]
    values_: list[float]

    def __init__(self, *, bins: int = 10) -> None:
        if type(bins) is not int or bins < 1:
            raise ValueError(f"bins is a whole number from 1, not {bins!r}")
        self.bins = bins

    @property
    def least_rows(self) -> int:
        return max(LEAST_ROWS, 2 * self.bins)

    @classmethod
    def kinds(cls) -> Mapping[str, type]:
        return {"bins": int, "edges_": list, "values_": list}

    def learn(self, scores: Floats, correct: NDArray[np.bool_]) -> None:
        found = fit_histogram(scores, correct, self.bins)
        self.edges_, self.values_ = found.edges.tolist(), found.values.tolist()

    def confidences(self, scores: Floats) -> Floats:
        return histogram_confidence(scores, Bins(np.array(self.edges_), np.array(self.values_)))

    def check_state(self) -> None:
        edges, values = np.array(self.edges_), np.array(self.values_)
        if not (
            len(values) == len(edges) + 1 <= self.bins
            and (np.diff(edges) > 0).all()
            and (values > 0).all()
            and (values < 1).all()
        ):
            raise StoreError(f"the state of '{self.id}' is damaged: its bins are none that it can learn")
