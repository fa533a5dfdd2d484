"""What a detector's folder says about scoring with it, and about what to tell of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmood.detector.content import ANSWER, SCORE
from llmood.detector.detector import Detector
from llmood.detector.targets import FALSE_ALARMS
from llmood.detector.verdicts import CHUNK_ROWS, Verdicts
from llmood.errors import ConfigError
from llmood.halves import THRESHOLDS
from llmood.traffic.drift import Drift
from llmood.traffic.replay import Replay
from llmood.traffic.scoring import Scoring
from llmood.traffic.shares import Batches, Promise, Shares
from llmood.traffic.summary import Part, Summary


def scoring_by(
    detector: Detector,
    verdicts: Verdicts,
    *,
    keep: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    batch: int | None = None,
    rows: int | None = None,
) -> Scoring:
    """A detector that was read from its folder, at work.

    Args:
        verdicts: what `Detector.open` gives.
        keep, labels, batch, rows: see `Scoring`.

    Raises:
        ConfigError: a kept column would stand where another does, or the detector was never written.
    """
    if detector.digest is None:
        raise ConfigError("the detector has no folder: 'Detector.save' writes it")
    return Scoring(
        verdicts,
        detector.content.schema,
        detector.digest,
        tuple(dict.fromkeys(keep)),
        dict(labels or {}),
        batch,
        detector.thresholds[0].alpha,
        rows or CHUNK_ROWS,
    )


def summary_of(detector: Detector, scoring: Scoring) -> Summary:
    """What to tell of the rows that it scores."""
    content = detector.content
    flagging = content.thresholds[0]
    calibration = content.calibration[f"{SCORE}/{THRESHOLDS}"]
    promise = Promise(calibration, flagging)
    answers: dict[str, str] = {
        each.target: f"{ANSWER}{each.target}" for each in content.thresholds if each.target != FALSE_ALARMS
    }
    seed = content.config.seed
    parts: list[Part] = [Shares(promise, answers)]
    if scoring.batch is not None:
        parts.append(Batches(scoring.batch, scoring.alpha))
    parts.append(Drift(calibration, seed))
    parts += [Replay(label, seed, promise) for label in scoring.labels]
    about = {
        "benchmark": content.name,
        "scorer": next(iter(content.scorers)) if len(content.scorers) == 1 else SCORE,
        "id_task": content.data["task"],
    }
    return Summary(about, parts)
