"""Several scorers as one confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmood.calibrators.base import CalibrationError, Calibrator, register
from llmood.errors import StoreError
from llmood.measures.log_odds import center_and_scale, probability, standardised
from llmood.measures.signed_logistic import fit_signed_logistic
from llmood.measures.token_statistics import Floats


@register
class Logistic(Calibrator):
    """A logistic regression on the scores of several scorers, none of which makes it surer by being higher.

    Formula: `measures.signed_logistic` on scores less their mean over their standard deviation, with the ridge 1/n,
    which is scikit-learn's default (C = 1).
    """

    id: ClassVar[str] = "logistic"
    many_scores: ClassVar[bool] = True
    centers_: list[float]
    scales_: list[float]
    slopes_: list[float]
    bias_: float

    @classmethod
    def kinds(cls) -> Mapping[str, type]:
        return {"centers_": list, "scales_": list, "slopes_": list, "bias_": float}

    def learn(self, scores: Floats, correct: NDArray[np.bool_]) -> None:
        # What doesn't vary has no scale, and gets no weight.
        varies = scores.min(axis=0) < scores.max(axis=0)
        found = [
            center_and_scale(column) if own else (0.0, 1.0)
            for column, own in zip(scores.T, varies, strict=True)
        ]
        centers, scales = np.array(found).T
        features = -standardised(scores, centers, scales)
        slopes = np.zeros(scores.shape[1])
        try:
            weights, bias = fit_signed_logistic(features[:, varies], correct, 1.0 / len(scores))
        except ValueError as error:
            raise CalibrationError(str(error)) from error
        slopes[varies] = weights
        self.centers_, self.scales_ = centers.tolist(), scales.tolist()
        self.slopes_, self.bias_ = slopes.tolist(), bias

    def confidences(self, scores: Floats) -> Floats:
        if scores.shape[1] != len(self.slopes_):
            raise ValueError(f"scores are of {len(self.slopes_)} scorers, not of {scores.shape[1]}")
        slopes = np.array(self.slopes_)
        places = standardised(scores, np.array(self.centers_), np.array(self.scales_))
        # Column by column: a product of matrices may round a row by how many others there are.
        return probability(self.bias_ - (places * slopes).sum(axis=1))

    def check_state(self) -> None:
        if not (
            len(self.centers_) == len(self.scales_) == len(self.slopes_) > 0
            and min(self.scales_) > 0
            and min(self.slopes_) >= 0
        ):
            raise StoreError(f"the state of '{self.id}' is damaged: a score makes it surer, or has no scale")
