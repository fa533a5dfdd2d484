"""Platt scaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.calibrators.base import CalibrationError, Calibrator, register
from llmood.errors import StoreError
from llmood.measures.platt import PlattCurve, fit_platt, platt_confidence
from llmood.measures.token_statistics import Floats


@register
class Platt(Calibrator):
    """A logistic curve of the score, with Platt's targets: few numbers to learn, for any scorer and for little data.

    Formula: `measures.platt` (Platt 1999).
    """

    id: ClassVar[str] = "platt"
    center_: float
    scale_: float
    slope_: float
    bias_: float

    @classmethod
    def kinds(cls) -> Mapping[str, type]:
        return dict.fromkeys(("center_", "scale_", "slope_", "bias_"), float)

    def learn(self, scores: Floats, correct: NDArray[np.bool_]) -> None:
        try:
            self.center_, self.scale_, self.slope_, self.bias_ = fit_platt(scores, correct)
        except ValueError as error:
            raise CalibrationError(str(error)) from error

    def confidences(self, scores: Floats) -> Floats:
        curve = PlattCurve(self.center_, self.scale_, self.slope_, self.bias_)
        return platt_confidence(scores, curve)

    def check_state(self) -> None:
        if not (self.scale_ > 0 and self.slope_ <= 0):
            raise StoreError(f"the state of '{self.id}' is damaged: its curve rises or has no scale")
