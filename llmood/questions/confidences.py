"""From a score to a confidence: by the scorer's own word, or by a calibrator that learned from `calibration` rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from llmood.calibrators import CalibrationError, Calibrator, calibrators
from llmood.errors import StoreError
from llmood.manifest import read_checked
from llmood.questions.calibration_rows import CalibrationRows
from llmood.questions.populations import Floats
from llmood.scorers.base import Probability, Scorer
from llmood.scorers.raw_confidence import raw_confidence

AGAIN = "'llmood rescore' makes it anew"


@dataclass(frozen=True, slots=True)
class KeptConfidence:
    """A confidence as `calibrators.json` keeps it.

    Attributes:
        state: what the calibrator learned; None where there is none.
        reads: what the calibrator is given: the score, or 1 − the scorer's own probability.
    """

    scorer: str
    calibrator: str | None
    state: dict[str, Any] | None
    reads: Literal["score", "probability"]
    probability: Probability | None
    reason: str | None
    n: int


@dataclass(frozen=True, slots=True)
class Confidence:
    """How one scorer's scores become confidences.

    Attributes:
        probability: what a score stands for by the scorer's own word (`Scorer.probability`); None for no probability.
        calibrator: None where the scorer's own probability is taken as it is.
        made: the fitted calibrator; None where there is none.
        reason: why nothing could be fitted; None where it could, or needn't be.
        n: from how many answers it was learned.
    """

    scorer: str
    probability: Probability | None
    calibrator: str | None
    made: Calibrator | None = None
    reason: str | None = None
    n: int = 0

    @classmethod
    def fitted(
        cls, scorer: str, probability: Probability | None, calibrator: str, rows: CalibrationRows
    ) -> Self:
        """By a calibrator, fitted on the judged answers of its half."""
        made = calibrators.get(calibrator)()
        scores, correct = rows.learned(scorer)
        try:
            made.fit(_read(scores, probability, made), correct)
        except CalibrationError as error:
            return cls(scorer, probability, calibrator, None, error.reason, len(scores))
        return cls(scorer, probability, calibrator, made, None, len(scores))

    @classmethod
    def of_kept(cls, kept: KeptConfidence) -> Self:
        """The confidence that was kept so.

        Raises:
            StoreError: the calibrator's state is damaged.
        """
        made = None
        if kept.calibrator is not None and kept.state is not None:
            made = calibrators.get(kept.calibrator).from_state(kept.state)
        return cls(kept.scorer, kept.probability, kept.calibrator, made, kept.reason, kept.n)

    @property
    def kept(self) -> KeptConfidence:
        """What `calibrators.json` keeps of it."""
        return KeptConfidence(
            self.scorer,
            self.calibrator,
            None if self.made is None else self.made.state(),
            "probability" if self.made is not None and self.made.reads_probability else "score",
            self.probability,
            self.reason,
            self.n,
        )

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return asdict(self.kept)

    def of(self, scores: Floats) -> Floats:
        """The probability of a right answer, (n,).

        Raises:
            CalibrationError: there is none.
        """
        if self.reason is not None:
            raise CalibrationError(self.reason)
        if self.made is None:
            return _own(scores, self.probability)
        return self.made.confidence(_read(scores, self.probability, self.made))


def confidences(
    rows: CalibrationRows, scorers: Mapping[str, Scorer], names: Sequence[str]
) -> dict[str, list[Confidence]]:
    """Of each scorer its own word, where it has one, and each calibrator's that can read it.

    Args:
        names: the calibrators.
    """
    return {
        name: [
            *([] if kind.probability is None else [Confidence(name, kind.probability, None)]),
            *(
                Confidence.fitted(name, kind.probability, calibrator, rows)
                for calibrator in names
                if kind.probability is not None or not calibrators.get(calibrator).reads_probability
            ),
        ]
        for name, kind in scorers.items()
    }


def read_kept(path: Path) -> list[KeptConfidence]:
    """The confidences of `calibrators.json` that there are; what couldn't be fitted is left out.

    Raises:
        StoreError: the file is damaged.
    """
    found: list[KeptConfidence] = read_checked(path, list[KeptConfidence])
    made = [one for one in found if one.reason is None]
    for one in made:
        if (one.calibrator is None or one.reads == "probability") and one.probability is None:
            raise StoreError(f"{path.name}: is damaged: {one.scorer} has no probability", hint=AGAIN)
        if (one.calibrator is None) != (one.state is None):
            raise StoreError(f"{path.name}: is damaged: {one.scorer} lacks what was learned", hint=AGAIN)
    return made


def _read(scores: Floats, probability: Probability | None, made: Calibrator) -> Floats:
    """What a calibrator reads: the score, or 1 − the scorer's own probability."""
    return np.asarray(1.0 - _own(scores, probability)) if made.reads_probability else scores


def _own(scores: Floats, probability: Probability | None) -> Floats:
    """The scorer's own probability, of one that has it."""
    raw = raw_confidence(probability, scores)
    if raw is None:
        raise ValueError("the scores stand for no probability")
    return raw
