"""Beta calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.calibrators.base import CalibrationError, Calibrator, register
from llmood.errors import StoreError
from llmood.measures.beta_calibration import BetaCurve, beta_confidence, fit_beta
from llmood.measures.token_statistics import Floats


@register
class Beta(Calibrator):
    """A curve of a probability with three numbers, the identity among them: what is calibrated already stays so.

    Formula: `measures.beta_calibration` (Kull et al., AISTATS 2017).
    """

    id: ClassVar[str] = "beta"
    reads_probability: ClassVar[bool] = True
    a_: float
    b_: float
    bias_: float

    @classmethod
    def kinds(cls) -> Mapping[str, type]:
        return dict.fromkeys(("a_", "b_", "bias_"), float)

    def learn(self, scores: Floats, correct: NDArray[np.bool_]) -> None:
        try:
            self.a_, self.b_, self.bias_ = fit_beta(scores, correct)
        except ValueError as error:
            raise CalibrationError(str(error)) from error

    def confidences(self, scores: Floats) -> Floats:
        return beta_confidence(scores, BetaCurve(self.a_, self.b_, self.bias_))

    def check_state(self) -> None:
        if self.a_ < 0 or self.b_ < 0:
            raise StoreError(f"the state of '{self.id}' is damaged: its curve rises")
