"""From a score to a confidence: by the scorer's own word, or by a calibrator that learned from `calibration` rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from llmood.calibrators import CalibrationError, Calibrator, calibrators
from llmood.questions.calibration_rows import CalibrationRows
from llmood.questions.populations import Floats
from llmood.scorers.base import Scorer
from llmood.scorers.raw_confidence import raw_confidence


@dataclass(frozen=True, slots=True)
class Confidence:
    """How one scorer's scores become confidences.

    Attributes:
        calibrator: None where the scorer's own probability is taken as it is.
        made: the fitted calibrator; None where there is none.
        reason: why nothing could be fitted; None where it could, or needn't be.
        n: from how many answers it was learned.
    """

    scorer: str
    kind: Scorer
    calibrator: str | None
    made: Calibrator | None = None
    reason: str | None = None
    n: int = 0

    @classmethod
    def fitted(cls, scorer: str, kind: Scorer, calibrator: str, rows: CalibrationRows) -> Self:
        """By a calibrator, fitted on the judged answers of its half."""
        made = calibrators.get(calibrator)()
        scores, correct = rows.learned(scorer)
        try:
            made.fit(_read(scores, kind, made), correct)
        except CalibrationError as error:
            return cls(scorer, kind, calibrator, None, error.reason, len(scores))
        return cls(scorer, kind, calibrator, made, None, len(scores))

    def of(self, scores: Floats) -> Floats:
        """The probability of a right answer, (n,).

        Raises:
            CalibrationError: there is none.
        """
        if self.reason is not None:
            raise CalibrationError(self.reason)
        return (
            _own(scores, self.kind)
            if self.made is None
            else self.made.confidence(_read(scores, self.kind, self.made))
        )

    def to_json(self) -> dict[str, Any]:
        """What `calibrators.json` keeps of it."""
        return {
            "scorer": self.scorer,
            "calibrator": self.calibrator,
            "state": None if self.made is None else self.made.state(),
            "reads": "score" if self.made is None or not self.made.reads_probability else "probability",
            "probability": self.kind.probability,
            "reason": self.reason,
            "n": self.n,
        }


def confidences(
    rows: CalibrationRows, scorers: Mapping[str, Scorer], names: Sequence[str]
) -> dict[str, list[Confidence]]:
    """Of each scorer its own word, where it has one, and each calibrator's that can read it.

    Args:
        names: the calibrators.
    """
    return {
        name: [
            *([] if kind.probability is None else [Confidence(name, kind, None)]),
            *(
                Confidence.fitted(name, kind, calibrator, rows)
                for calibrator in names
                if kind.probability is not None or not calibrators.get(calibrator).reads_probability
            ),
        ]
        for name, kind in scorers.items()
    }


def _read(scores: Floats, kind: Scorer, made: Calibrator) -> Floats:
    """What a calibrator reads: the score, or 1 − the scorer's own probability."""
    return np.asarray(1.0 - _own(scores, kind)) if made.reads_probability else scores


def _own(scores: Floats, kind: Scorer) -> Floats:
    """The scorer's own probability, of one that has it."""
    raw = raw_confidence(kind, scores)
    if raw is None:
        raise ValueError("the scores stand for no probability")
    return raw
