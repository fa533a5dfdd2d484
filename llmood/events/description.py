"""What a report needs of a detector, beside the events that it decided: the detector may be gone by then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmood.detector.content import SCORE
from llmood.detector.detector import Detector
from llmood.errors import ConfigError, StoreError
from llmood.halves import THRESHOLDS
from llmood.measures.threshold import Threshold
from llmood.measures.token_statistics import Floats
from llmood.tables import write_json

FORMAT = 1
AGAIN = "'llmood serve' with that detector writes it anew"
_TEXTS = ("name", "digest", "stage", "scorer", "benchmark", "id_task")


@dataclass(frozen=True)
class Described:
    """What events say nothing of.

    Attributes:
        scorer: what a record of a metric calls the score.
        calibration: sorted scores of the calibration rows.
        thresholds: the first is the one that flags.
    """

    name: str
    digest: str
    stage: str
    scorer: str
    scorers: tuple[str, ...]
    benchmark: str
    id_task: str
    thresholds: tuple[Threshold, ...]
    calibration: Floats
    seed: int


def describe(detector: Detector) -> dict[str, Any]:
    """A detector as JSON, without the models and what its scorers learned.

    Raises:
        ConfigError: it was never written, and so has no digest.
    """
    content = detector.content
    if detector.digest is None:
        raise ConfigError("the detector has no folder: 'Detector.save' writes it")
    return {
        "llmood_detector": FORMAT,
        "name": content.name,
        "digest": detector.digest,
        "stage": content.stage,
        "scorer": next(iter(content.scorers)) if len(content.scorers) == 1 else SCORE,
        "scorers": list(content.scorers),
        "benchmark": content.name,
        "id_task": content.data["task"],
        "thresholds": [threshold.to_json() for threshold in content.thresholds],
        "calibration": content.calibration[f"{SCORE}/{THRESHOLDS}"].tolist(),
        "seed": content.config.seed,
    }


def write_description(folder: Path, detector: Detector) -> Path:
    """Write it beside the events: `detector-<first 8 of its digest>.json`.

    Raises:
        StoreError: it can't be written.
    """
    found = describe(detector)
    path = folder / f"detector-{found['digest'][:8]}.json"
    write_json(path, found)
    return path


def read_descriptions(folder: Path) -> dict[str, Described]:
    """Those in the folder of a store, by digest.

    Raises:
        StoreError: one is damaged.
    """
    found = [_read(path) for path in sorted(folder.glob("detector-*.json"))]
    return {each.digest: each for each in found}


def _read(path: Path) -> Described:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["llmood_detector"] != FORMAT:
            raise ValueError(f"format {value['llmood_detector']!r:.20}")
        calibration = np.array(value["calibration"], dtype=np.float64)
        texts = {name: str(value[name]) for name in _TEXTS}
        thresholds = tuple(Threshold.from_json(each) for each in value["thresholds"])
        if calibration.ndim != 1 or not calibration.size or not np.isfinite(calibration).all():
            raise ValueError("calibration: is no list of numbers")
        if not thresholds or thresholds[0].target != "false_alarms":
            raise ValueError("thresholds: the first flags nothing")
        scorers = tuple(map(str, value["scorers"]))
        return Described(
            **texts, scorers=scorers, thresholds=thresholds, calibration=calibration, seed=int(value["seed"])
        )
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise StoreError(f"{path}: is damaged: {error}", hint=AGAIN) from None
