"""The confidences of a run's answers, made of its files: the scores, `calibrators.json` and `correctness.parquet`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.calibrators import calibrators
from llmood.errors import StoreError
from llmood.lineage import group_keys
from llmood.manifest import read_checked
from llmood.questions.judgements import Judgements, read_judgements
from llmood.report.read import Floats, RunFiles
from llmood.scorers.raw_confidence import probability_of
from llmood.tables import CONFIDENCES, CORRECTNESS, read_table

RAW = "uncalibrated"
AGAIN = "'llmood rescore' makes it anew"


@dataclass(frozen=True)
class Kept:
    """One confidence of `calibrators.json`; see `questions.confidences.Confidence.to_json`."""

    scorer: str
    calibrator: str | None
    state: dict[str, Any] | None
    reads: Literal["score", "probability"]
    probability: Literal["complement", "negative_log"] | None
    reason: str | None
    n: int


class Curve(NamedTuple):
    """The judged answers of one population that have a confidence, n of them."""

    confidence: Floats
    correct: NDArray[np.bool_]
    groups: list[str]


@dataclass(frozen=True)
class Confidences:
    """What a report draws of confidences.

    Attributes:
        kept: by (scorer, calibrator), those that could be made.
        groups: what each sample is resampled with.
    """

    run: RunFiles
    judgements: Judgements
    kept: Mapping[tuple[str, str | None], Kept]
    groups: Sequence[str]

    def of(self, scorer: str) -> list[str | None]:
        """The calibrators of a scorer; None, its own word, first."""
        return [calibrator for name, calibrator in self.kept if name == scorer]

    def curve(self, scorer: str, calibrator: str | None, task: str) -> Curve:
        """One confidence on one population."""
        rows, scores, correct = self.answers(scorer, task)
        confidence = _confidence(self.kept[scorer, calibrator], scores) if len(scores) else scores
        return Curve(confidence, correct, [self.groups[row] for row in rows])

    def answers(self, scorer: str, task: str) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
        """Which samples of a population are judged and scored, their scores, and which are right."""
        rows = self.run.rows(task)
        scores = self.run.scores[scorer]
        rows = rows[self.judgements.judged[rows] & ~np.isnan(scores[rows])]
        return rows, scores[rows], ~self.judgements.wrong[rows]


def read_confidences(run: RunFiles) -> Confidences | None:
    """None where the run calibrates nothing, or broke off before.

    Raises:
        StoreError: a file is damaged.
    """
    path, judged = run.folder / CONFIDENCES, run.folder / "correctness.parquet"
    if run.samples is None or not run.scores or not path.is_file() or not judged.is_file():
        return None
    found: list[Kept] = read_checked(path, list[Kept])
    kept = {
        (one.scorer, one.calibrator): one for one in found if one.reason is None and one.scorer in run.scores
    }
    for one in kept.values():
        _check(one)
    judgements = read_judgements(read_table(judged, CORRECTNESS), run.samples)
    return Confidences(run, judgements, kept, group_keys(run.samples))


def named(calibrator: str | None) -> str:
    """What a confidence is called."""
    return RAW if calibrator is None else calibrator


def _check(kept: Kept) -> None:
    own = kept.calibrator is None or kept.reads == "probability"
    if own and kept.probability is None:
        raise StoreError(f"{CONFIDENCES}: is damaged: {kept.scorer} has no probability", hint=AGAIN)
    if (kept.calibrator is None) != (kept.state is None):
        raise StoreError(f"{CONFIDENCES}: is damaged: {kept.scorer} lacks what was learned", hint=AGAIN)


def _confidence(kept: Kept, scores: Floats) -> Floats:
    own = kept.calibrator is None or kept.reads == "probability"
    raw = probability_of(kept.probability, scores) if own and kept.probability else scores
    if kept.calibrator is None or kept.state is None:
        return raw
    made = calibrators.get(kept.calibrator).from_state(kept.state)
    return made.confidence(1.0 - raw if own else raw)
