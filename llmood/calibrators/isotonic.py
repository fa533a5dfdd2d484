"""Isotonic regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.calibrators.base import Calibrator, register
from llmood.errors import StoreError
from llmood.measures.isotonic import IsotonicCurve, fit_isotonic, isotonic_confidence
from llmood.measures.token_statistics import Floats


@register
class Isotonic(Calibrator):
    """The best curve of the score that never rises: any shape, for some hundreds of answers or more.

    Formula: `measures.isotonic` (Zadrozny and Elkan 2002).
    """

    id: ClassVar[str] = "isotonic"
    knots_: list[float]
    values_: list[float]

    @classmethod
    def kinds(cls) -> Mapping[str, type]:
        return {"knots_": list, "values_": list}

    def learn(self, scores: Floats, correct: NDArray[np.bool_]) -> None:
        curve = fit_isotonic(scores, correct)
        self.knots_, self.values_ = curve.knots.tolist(), curve.values.tolist()

    def confidences(self, scores: Floats) -> Floats:
        return isotonic_confidence(scores, IsotonicCurve(np.array(self.knots_), np.array(self.values_)))

    def check_state(self) -> None:
        knots, values = np.array(self.knots_), np.array(self.values_)
        if not (
            len(knots) == len(values) > 0
            and (np.diff(knots) > 0).all()
            and (np.diff(values) <= 0).all()
            and (values > 0).all()
            and (values < 1).all()
        ):
            raise StoreError(f"the state of '{self.id}' is damaged: its curve rises or leaves (0, 1)")
