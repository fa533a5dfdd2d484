"""The confidence that a detector gives: one calibrator, fitted on the judged answers of its calibration rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.calibration_config import CalibrationConfig
from llmood.calibrators import CalibrationError, Calibrator, calibrators
from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.measures.token_statistics import Floats
from llmood.questions.calibration_rows import CalibrationRows
from llmood.records import CaptureSpec

DEFAULT = "platt"
NOT_JUDGED = "no answer to a calibration row was judged ('correctness: task' has the model answer)"


def default_calibrator(config: CalibrationConfig | None, scorers: Sequence[str]) -> str:
    """The first of a configuration's calibrators that reads what a detector of these scorers has."""
    names = () if config is None else config.calibrators
    return next((name for name in names if _reads_other(calibrators.get(name), scorers) is None), DEFAULT)


def check_calibrator(name: str, scorers: Sequence[str]) -> None:
    """Refuse a calibrator that can't read what a detector of these scorers has.

    Raises:
        ConfigError: there is none of that name, or it reads something else.
    """
    other = _reads_other(calibrators.get(name, place="--calibrator"), scorers)
    if other is not None:
        raise ConfigError(f"--calibrator {name}: {other}", hint="'platt' and 'isotonic' read any score")


def _reads_other(kind: type[Calibrator], scorers: Sequence[str]) -> str | None:
    if kind.reads_probability:
        return "reads a probability, and a detector has one score"
    if kind.many_scores and len(scorers) == 1:
        return f"reads the scores of several scorers, and {scorers[0]} is one"
    return None


def fit_confidence(
    name: str, rows: CalibrationRows, score: str, scorers: Sequence[str]
) -> tuple[Calibrator | None, dict[str, Any]]:
    """A fitted calibrator, and what to say of it; None with the reason where these rows give none.

    Args:
        score: what the rows call the one score.
        scorers: what they call those that it is made of.
    """
    made = calibrators.get(name)()
    scores, right = rows.learned_together(scorers) if made.many_scores else rows.learned(score)
    if not len(right):
        return None, {"calibrator": None, "reason": NOT_JUDGED}
    try:
        made.fit(scores, right)
    except CalibrationError as error:
        return None, {"calibrator": None, "reason": error.reason}
    return made, {"calibrator": name, "rows": len(right), "right": int(right.sum())}


def confidences(calibrator: Calibrator | None, score: Floats, parts: Sequence[Floats]) -> NDArray[np.float64]:
    """The confidence of each row, NaN where it has no score.

    Args:
        score: (n,), the one score.
        parts: those that it is made of, each (n,).
    """
    found = np.full(len(score), np.nan)
    there = ~np.isnan(score)
    if calibrator is not None and there.any():
        read = np.column_stack(parts) if calibrator.many_scores else score
        found[there] = calibrator.confidence(read[there])
    return found


def end_of_answers(observations: Observations, spec: CaptureSpec, end_ids: frozenset[int]) -> int | None:
    """The token that most answers of these rows end in, of those that end one; None where none does."""
    counts: dict[int, int] = {}
    for block in observations.blocks([spec], {"response": ["token_ids"]}):
        for ids in block[spec]["token_ids"].to_pylist():
            if ids and ids[-1] in end_ids:
                counts[ids[-1]] = counts.get(ids[-1], 0) + 1
    return min(counts, key=lambda token: (-counts[token], token), default=None)
