"""The scored `calibration` rows as arrays: what confidences and thresholds are made of, and nothing is measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmood.questions.populations import Floats


@dataclass(frozen=True, slots=True)
class CalibrationRows:
    """The ID task's `calibration` rows, n of them.

    Attributes:
        scores: scorer id → float64 (n,), NaN where unscored.
        judged: bool (n,), whether the answer could be judged.
        wrong: bool (n,), meaningful where `judged`.
        for_calibrators: bool (n,), which rows calibrators learn from; the others make thresholds.
    """

    scores: Mapping[str, Floats]
    judged: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    for_calibrators: NDArray[np.bool_]

    def learned(self, scorer: str) -> tuple[Floats, NDArray[np.bool_]]:
        """Scores and correctness of the judged rows that calibrators learn from."""
        return self._answers(scorer, self.for_calibrators)

    def learned_together(self, scorers: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """The same of several scorers, (m, k): of the rows that each of them scores."""
        scores = np.column_stack([self.scores[name] for name in scorers])
        kept = self.for_calibrators & self.judged & ~np.isnan(scores).any(axis=1)
        return scores[kept], ~self.wrong[kept]

    def held(self, scorer: str) -> Floats:
        """The scores that thresholds are made of, judged or not."""
        return self._scored(scorer, ~self.for_calibrators)

    def beside(self, scorer: str) -> Floats:
        """The scores of the other half, judged or not."""
        return self._scored(scorer, self.for_calibrators)

    def held_answers(self, scorer: str) -> tuple[Floats, NDArray[np.bool_]]:
        """Scores and correctness of the judged rows that thresholds are made of."""
        return self._answers(scorer, ~self.for_calibrators)

    def _scored(self, scorer: str, half: NDArray[np.bool_]) -> Floats:
        scores = self.scores[scorer]
        return np.asarray(scores[half & ~np.isnan(scores)])

    def _answers(self, scorer: str, half: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
        scores = self.scores[scorer]
        kept = half & self.judged & ~np.isnan(scores)
        return scores[kept], ~self.wrong[kept]
