"""Temperature scaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.calibrators.base import CalibrationError, Calibrator, register
from llmood.errors import StoreError
from llmood.measures.temperature import fit_temperature, temperature_confidence
from llmood.measures.token_statistics import Floats


@register
class Temperature(Calibrator):
    """A probability's log-odds over a temperature: one number, which never moves a confidence across ½.

    Formula: `measures.temperature` (Guo et al., ICML 2017). A model that is mostly wrong and mostly sure gets ½
    everywhere, and needs another calibrator.
    """

    id: ClassVar[str] = "temperature"
    reads_probability: ClassVar[bool] = True
    inverse_: float

    @classmethod
    def kinds(cls) -> Mapping[str, type]:
        return {"inverse_": float}

    def learn(self, scores: Floats, correct: NDArray[np.bool_]) -> None:
        try:
            self.inverse_ = fit_temperature(scores, correct)
        except ValueError as error:
            raise CalibrationError(str(error)) from error

    def confidences(self, scores: Floats) -> Floats:
        return temperature_confidence(scores, self.inverse_)

    def check_state(self) -> None:
        if self.inverse_ < 0:
            raise StoreError(f"the state of '{self.id}' is damaged: its temperature is below 0")
