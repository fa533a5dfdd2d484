"""Stores of events by a detector that is described, for the tests of the report of traffic."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from llmood.events import Event, EventStore
from llmood.measures.threshold import Threshold
from tests.deciding import BEGIN, event

CALIBRATION = np.sort(np.random.default_rng(0).normal(size=400))
THRESHOLD = Threshold.false_alarms(CALIBRATION, 0.05)
HOME = ["how do I reset my bank card", "my card was stolen in a shop", "what is the fee for a transfer"]
AWAY = [
    "which wine goes with a roast of lamb",
    "a recipe for lamb with rosemary and wine",
    "write a python loop over a list of files",
    "python function that sorts a list of numbers",
    "will it rain in Lisbon on sunday",
    "the weather forecast for Lisbon, rain or sun",
]


def describe_in(folder: Path, digest: str, **keys: Any) -> None:
    """What `write_description` would write of a detector."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {
        "llmood_detector": 1,
        "name": "bank",
        "digest": digest,
        "stage": "pre",
        "scorer": "likelihood_ratio",
        "scorers": ["likelihood_ratio"],
        "benchmark": "bank",
        "id_task": "bank",
        "thresholds": [THRESHOLD.to_json()],
        "calibration": CALIBRATION.tolist(),
        "seed": 0,
    }
    path = folder / f"detector-{digest[:8]}.json"
    path.write_text(json.dumps(known | keys), encoding="utf-8")


def decided(place: int, score: float, text: str | None, **keys: Any) -> Event:
    """A decision by that detector; a question every 30 seconds."""
    given: dict[str, Any] = {
        "time": BEGIN + timedelta(seconds=30 * place),
        "score": score,
        "p_value": float((1 + (score <= CALIBRATION).sum()) / (1 + len(CALIBRATION))),
        "flag": bool(score > THRESHOLD.value),
        "answers": {},
        "parts": {"likelihood_ratio": score},
        "seconds": 0.01 + (place % 100) / 1000,
        **keys,
    }
    return event(place, text=text, **given)


def traffic(count: int, *, away: float = 0.1, first: int = 0, **keys: Any) -> Iterable[Event]:
    """Questions of the domain, scored as the calibration rows are; a share of others, which score high."""
    generator = np.random.default_rng(first)
    for place in range(first, first + count):
        out = generator.random() < away
        score = float(generator.normal(4.0 if out else 0.0))
        texts: Sequence[str] = AWAY if out else HOME
        text = f"{texts[int(generator.integers(len(texts)))]} {int(generator.integers(1000))}"
        yield decided(place, score, text, **keys)


def store(folder: Path, events: Iterable[Event], **keys: Any) -> Path:
    """A store of events, each by a detector that is described there."""
    kept = list(events)
    for digest in {each.detector for each in kept}:
        describe_in(folder, digest)
    with EventStore(folder, **keys) as opened:
        opened.append(kept)
    return folder
