"""The confidence that a detector gives: one calibrator, fitted on the judged answers of its calibration rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.calibration_config import CalibrationConfig
from llmood.calibrators import CalibrationError, Calibrator, calibrators
from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec

DEFAULT = "platt"
NOT_JUDGED = "no answer to a calibration row was judged ('correctness: task' has the model answer)"


def default_calibrator(config: CalibrationConfig | None) -> str:
    """The first of a configuration's calibrators that reads any score."""
    names = () if config is None else config.calibrators
    return next((name for name in names if not _reads_other(calibrators.get(name))), DEFAULT)


def check_calibrator(name: str) -> None:
    """Refuse a calibrator that can't read a detector's one score.

    Raises:
        ConfigError: there is none of that name, or it reads something else.
    """
    kind = calibrators.get(name, place="--calibrator")
    if _reads_other(kind):
        what = "several scores" if kind.many_scores else "a probability"
        raise ConfigError(
            f"--calibrator {name}: reads {what}, and a detector has one score",
            hint="'platt' and 'isotonic' read any score",
        )


def _reads_other(kind: type[Calibrator]) -> bool:
    return kind.reads_probability or kind.many_scores


def fit_confidence(name: str, scores: Floats, correct: Floats) -> tuple[Calibrator | None, dict[str, Any]]:
    """A fitted calibrator, and what to say of it; None with the reason where these rows give none.

    Args:
        scores: (n,), NaN where there is none.
        correct: (n,), 1 right, 0 wrong, NaN where that isn't known.
    """
    known = ~np.isnan(scores) & ~np.isnan(correct)
    if not (~np.isnan(correct)).any():
        return None, {"calibrator": None, "reason": NOT_JUDGED}
    right = correct[known] == 1.0
    try:
        fitted = calibrators.get(name)().fit(scores[known], right)
    except CalibrationError as error:
        return None, {"calibrator": None, "reason": error.reason}
    return fitted, {"calibrator": name, "rows": int(known.sum()), "right": int(right.sum())}


def confidences(calibrator: Calibrator | None, scores: Floats) -> NDArray[np.float64]:
    """The confidence of each score, NaN where there is none."""
    found = np.full(len(scores), np.nan)
    there = ~np.isnan(scores)
    if calibrator is not None and there.any():
        found[there] = calibrator.confidence(scores[there])
    return found


def end_of_answers(observations: Observations, spec: CaptureSpec, end_ids: frozenset[int]) -> int | None:
    """The token that most answers of these rows end in, of those that end one; None where none does."""
    counts: dict[int, int] = {}
    for block in observations.blocks([spec], {"response": ["token_ids"]}):
        for ids in block[spec]["token_ids"].to_pylist():
            if ids and ids[-1] in end_ids:
                counts[ids[-1]] = counts.get(ids[-1], 0) + 1
    return min(counts, key=lambda token: (-counts[token], token), default=None)
