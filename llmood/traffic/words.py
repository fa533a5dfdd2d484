"""What a record of traffic says, as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmood.traffic import drift, replay, shares

ALARM = 0.01  # a p-value below it is told as a change
SMALL, LARGE = 0.1, 0.25  # of the population stability index beyond what chance gives, by its rule of thumb
TITLES = {
    shares.SCORED_SHARE: "rows with a score",
    shares.FLAG_RATE: "flagged",
    shares.ANSWERED_SHARE: "may be answered",
    shares.BATCH_FLAG_RATE: "flagged by batch",
    shares.FLAGGED_BATCHES: "batches with flags",
    drift.KS: "Kolmogorov–Smirnov",
    drift.KS_P: "its p-value",
    drift.MMD: "MMD²",
    drift.MMD_P: "its p-value",
    drift.PSI: "population stability",
    drift.MARTINGALE_P: "martingale's p-value",
    replay.ACCURACY: "right answers",
    replay.ACCURACY_UNFLAGGED: "right, not flagged",
    replay.COVERAGE: "not flagged",
    replay.FALSE_ALARM_RATE: "false alarms",
    replay.DETECTION_RATE: "OOD flagged",
}
P_VALUES = (drift.KS_P, drift.MMD_P, drift.MARTINGALE_P)


def said(record: Mapping[str, Any]) -> str:
    """The sentence, or an empty one where the number says it all."""
    metric, params = record["metric"], record["params"]
    counts = f"{record['n_positive']} of {record['n']}"
    if record["value"] is None:
        return ""
    if metric in (shares.FLAG_RATE, replay.FALSE_ALARM_RATE):
        return f"{counts}{_against_promise(record)}"
    if metric == shares.ANSWERED_SHARE:
        return f"{counts}, by the promise on {record['slice'].replace('_', ' ')}"
    if metric in (shares.BATCH_FLAG_RATE, shares.FLAGGED_BATCHES):
        return (
            f"{counts}; of the flags in a batch of {params['batch']}, at most {params['alpha']:g} are false"
        )
    if metric in (drift.KS_P, drift.MMD_P):
        return _changed(record["value"])
    if metric == drift.MARTINGALE_P:
        return f"{_changed(record['value'])}; holds however often one looks"
    if metric == drift.PSI:
        return (
            f"{_size(record['value'] - params['expected'])}; about {params['expected']:.2g} without any shift"
        )
    return counts if metric in TITLES and record["n_positive"] is not None else ""


def _against_promise(record: Mapping[str, Any]) -> str:
    params = record["params"]
    low, high = params.get("expected_low"), params.get("expected_high")
    if low is None:
        return f"; {params['promised']:g} was promised for questions like the calibration rows"
    here = "more than" if record["value"] > high else "fewer than" if record["value"] < low else "as many as"
    return f", {here} of questions like the calibration rows ({low:.3g} to {high:.3g} in 99 of 100 cases)"


def _changed(p: float) -> str:
    return "scores moved" if p < ALARM else "no sign that scores moved"


def _size(value: float) -> str:
    return (
        "a large shift" if value >= LARGE else "a small shift" if value >= SMALL else "no shift to speak of"
    )
