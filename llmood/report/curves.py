"""The confidences of a run's judged answers, made of its files: by population, and what is read off them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.lineage import group_keys
from llmood.questions.confidences import Confidence, KeptConfidence, read_kept
from llmood.questions.judgements import Judgements, read_judgements
from llmood.report.read import RunFiles
from llmood.report.read_scores import Floats
from llmood.tables import CONFIDENCES, CORRECTNESS, read_table

RAW = "uncalibrated"


class Curve(NamedTuple):
    """The judged answers of one population that have a confidence, n of them."""

    confidence: Floats
    correct: NDArray[np.bool_]
    groups: list[str]


@dataclass(frozen=True)
class Curves:
    """What a report draws of confidences.

    Attributes:
        kept: by (scorer, calibrator), those that could be made.
        groups: what each sample is resampled with.
    """

    run: RunFiles
    judgements: Judgements
    kept: Mapping[tuple[str, str | None], KeptConfidence]
    groups: Sequence[str]

    def of(self, scorer: str) -> list[str | None]:
        """The calibrators of a scorer; None, its own word, first."""
        return [calibrator for name, calibrator in self.kept if name == scorer]

    def curve(self, scorer: str, calibrator: str | None, task: str) -> Curve:
        """One confidence on one population."""
        rows, scores, correct = self.answers(scorer, task)
        confidence = Confidence.of_kept(self.kept[scorer, calibrator]).of(scores) if len(scores) else scores
        return Curve(confidence, correct, [self.groups[row] for row in rows])

    def answers(self, scorer: str, task: str) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
        """Which samples of a population are judged and scored, their scores, and which are right."""
        rows = self.run.rows(task)
        scores = self.run.scores[scorer]
        rows = rows[self.judgements.judged[rows] & ~np.isnan(scores[rows])]
        return rows, scores[rows], ~self.judgements.wrong[rows]


def read_curves(run: RunFiles) -> Curves | None:
    """None where the run calibrates nothing, or broke off before.

    Raises:
        StoreError: a file is damaged.
    """
    path, judged = run.folder / CONFIDENCES, run.folder / "correctness.parquet"
    if run.samples is None or not run.scores or not path.is_file() or not judged.is_file():
        return None
    kept = {(one.scorer, one.calibrator): one for one in read_kept(path) if one.scorer in run.scores}
    judgements = read_judgements(read_table(judged, CORRECTNESS), run.samples)
    return Curves(run, judgements, kept, group_keys(run.samples))


def named(calibrator: str | None) -> str:
    """What a confidence is called."""
    return RAW if calibrator is None else calibrator
