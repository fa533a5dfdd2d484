"""What a detector is made of, whether it was just fitted or read from its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.calibrators import Calibrator
from llmood.config import RunConfig
from llmood.detector.combining import combined, p_values
from llmood.detector.confidence import confidences
from llmood.detector.form import Form
from llmood.detector.targets import FALSE_ALARMS
from llmood.halves import CALIBRATORS, THRESHOLDS
from llmood.measures.threshold import Threshold
from llmood.measures.token_statistics import Floats
from llmood.records import FAILED, OK
from llmood.scorers.artefacts import Origin
from llmood.scorers.base import Scorer
from llmood.scoring import ScorerColumn

Stage = Literal["pre", "post"]
SCORE = "score"
ANSWER = "answer_"  # how the columns begin that say whether to answer


@dataclass(frozen=True, slots=True)
class Content:
    """Everything of a detector but the models.

    Attributes:
        stage: whether it can tell before the model answers (`pre`), or only after (`post`).
        scorers: fitted, by name; of several, the score is combined.
        thresholds: the first is the one that flags.
        calibration: sorted scores of the calibration rows: `score/thresholds`, and of several scorers each one's
            `NAME/calibrators`.
        config: of the run that it was fitted by, with the models where they were.
        models: role → name, path, identity and tokenizer of the models that it reads.
        data: what it was fitted on: task, rows, groups, digest.
        calibrator: of its score, or of its scorers' together, to the confidence that the answer is right; None where
            no answer was judged.
        end: the token that ended the calibration rows' answers.
        origins: of each scorer that learned, what it learned from.
        questions: of the domain, where some were to be kept.
    """

    name: str
    stage: Stage
    scorers: Mapping[str, Scorer]
    thresholds: Sequence[Threshold]
    calibration: Mapping[str, Floats]
    config: RunConfig
    models: Mapping[str, Mapping[str, Any]]
    captures: Sequence[str]
    form: Form
    data: Mapping[str, Any]
    calibrator: Calibrator | None = None
    end: int | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    questions: Sequence[str] = ()

    def with_config(self, config: RunConfig) -> Content:
        """The same with its models elsewhere, or on another engine."""
        return replace(self, config=config)

    @property
    def schema(self) -> pa.Schema:
        """The columns of its verdicts."""
        answers = [threshold.target for threshold in self.thresholds if threshold.target != FALSE_ALARMS]
        return pa.schema(
            [
                ("row", pa.int64()),
                ("score", pa.float64()),
                ("p_value", pa.float64()),
                ("flag", pa.bool_()),
                *((f"{ANSWER}{target}", pa.bool_()) for target in answers),
                ("confidence", pa.float64()),
                ("status", pa.string()),
                ("reason", pa.string()),
                *((name, pa.float64()) for name in self.scorers),
            ]
        )

    def score(self, columns: Sequence[ScorerColumn]) -> ScorerColumn:
        """The one score of each row, of those of its scorers."""
        if len(columns) == 1:
            return columns[0]
        return combine(columns, {name: self.calibration[f"{name}/{CALIBRATORS}"] for name in self.scorers})

    def decide(self, score: ScorerColumn, columns: Sequence[ScorerColumn]) -> dict[str, NDArray[Any]]:
        """What follows from the one score, column by column; None where there is none.

        Args:
            columns: those of its scorers, for a calibrator that reads each.
        """
        there = ~np.isnan(score.values)
        found: dict[str, NDArray[Any]] = {
            "p_value": p_values(score.values, self.calibration[f"{SCORE}/{THRESHOLDS}"])
        }
        for threshold in self.thresholds:
            above = score.values > threshold.value
            alarm = threshold.target == FALSE_ALARMS
            told = (above if alarm else ~above).astype(object)
            told[~there] = None
            found["flag" if alarm else f"{ANSWER}{threshold.target}"] = told
        found["confidence"] = confidences(self.calibrator, score.values, [each.values for each in columns])
        return found


def combine(columns: Sequence[ScorerColumn], calibration: Mapping[str, Floats]) -> ScorerColumn:
    """Scores of several scorers as one: −mean log of their p-values; none where one of them gives none.

    Args:
        calibration: each scorer's sorted scores of the calibration half that nothing is ranked on again.
    """
    values = combined({each.scorer: p_values(each.values, calibration[each.scorer]) for each in columns})
    return joined(columns, values)


def joined(columns: Sequence[ScorerColumn], values: Floats) -> ScorerColumn:
    """A column of these values, with the status and reason of the first scorer that gives a row none."""
    status, reasons = np.full(len(values), OK, object), np.full(len(values), None, object)
    for column in reversed(columns):
        gone = column.status != OK
        status[gone] = np.where(status[gone] == FAILED, FAILED, column.status[gone])
        reasons[gone] = [f"{column.scorer}: {reason}" for reason in column.reasons[gone]]
    values = np.where(status == OK, values, np.nan)
    return ScorerColumn(SCORE, values, status, reasons, None)
