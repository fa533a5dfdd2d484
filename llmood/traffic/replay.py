"""Labelled traffic, replayed: how good are the answers that are not flagged, and what does the score tell?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from llmood.metrics import (
    ERROR_DETECTION,
    Metric,
    UndefinedMetric,
    accuracy_at_coverage,
    bootstrap_intervals,
    error_detection_metrics,
    metrics_registry,
)
from llmood.metrics.coverage import COVERAGES
from llmood.questions.ood_detection import QUESTION as OOD_DETECTION
from llmood.records import OK
from llmood.seeds import derive_seed
from llmood.traffic.labelled_sample import LabelledSample
from llmood.traffic.labels import CORRECT, OOD
from llmood.traffic.shares import Promise, share
from llmood.traffic.summary import entry, of_interval

ACCURACY, ACCURACY_UNFLAGGED, COVERAGE = "accuracy_of_all", "accuracy_unflagged", "coverage"
FALSE_ALARM_RATE, DETECTION_RATE = "false_alarm_rate", "detection_rate"
AURC = "aurc"
DRAWS, LEVEL = 1000, 0.95
NONE_LABELLED = "no scored row has a label"


class Replay:
    """Counts of flags by label, and a sample of labelled scores for what ranks them.

    Args:
        label: `correct` or `ood`.
        seed: of the sample and of the intervals' draws.
        promise: what false alarms are compared with.
    """

    def __init__(self, label: str, seed: int, promise: Promise) -> None:
        self._label, self._promise = label, promise
        self._seed = derive_seed(seed, "traffic", label)
        self._counts: Counter[tuple[bool, bool]] = Counter()  # (label, flag)
        self._sample = LabelledSample(self._seed)

    def update(self, rows: Sequence[Mapping[str, Any]]) -> None:
        there = [row for row in rows if row["status"] == OK and row[self._label] is not None]
        self._counts.update((row[self._label], row["flag"]) for row in there)
        self._sample.update([row["score"] for row in there], [row[self._label] for row in there])

    def records(self) -> Iterator[dict[str, Any]]:
        yield from self._of_answers() if self._label == CORRECT else self._of_domain()

    def _of_answers(self) -> Iterator[dict[str, Any]]:
        right, flagged_right = self._counts[True, False], self._counts[True, True]
        wrong, flagged_wrong = self._counts[False, False], self._counts[False, True]
        total = right + wrong + flagged_right + flagged_wrong
        better = {"higher_is_better": True}
        yield share(ACCURACY, right + flagged_right, total, NONE_LABELLED, **better)
        yield share(ACCURACY_UNFLAGGED, right, right + wrong, "no labelled row is left unflagged", **better)
        yield share(COVERAGE, right + wrong, total, NONE_LABELLED, **better)
        scores, correct = self._sample.rows
        curve = {AURC: {"curve": _curve(scores, correct)}}
        about = {"question": ERROR_DETECTION, "correctness": "imported"}
        yield from self._ranking(error_detection_metrics(), scores, ~correct, about, curve)

    def _of_domain(self) -> Iterator[dict[str, Any]]:
        at_home, found = (sum(self._counts[label, flag] for flag in (False, True)) for label in (False, True))
        expected = self._promise.expected(at_home)
        yield share(
            FALSE_ALARM_RATE,
            self._counts[False, True],
            at_home,
            "no labelled row is ID",
            params=expected,
            higher_is_better=False,
        )
        yield share(
            DETECTION_RATE, self._counts[True, True], found, "no labelled row is OOD", higher_is_better=True
        )
        scores, is_ood = self._sample.rows
        metrics = [metric for _, metric in metrics_registry if metric.question == OOD_DETECTION]
        about = {"question": OOD_DETECTION, "ood_task": OOD}
        yield from self._ranking(metrics, scores, is_ood, about, {})

    def _ranking(
        self,
        metrics: Sequence[Metric],
        scores: np.ndarray,
        positive: np.ndarray,
        about: Mapping[str, Any],
        more: Mapping[str, Mapping[str, Any]],
    ) -> Iterator[dict[str, Any]]:
        try:
            found = bootstrap_intervals(metrics, scores, positive, draws=DRAWS, level=LEVEL, seed=self._seed)
            reason = None
        except UndefinedMetric as error:
            found, reason = {}, error.reason if len(scores) else NONE_LABELLED
        for metric in metrics:
            own = {
                **about,
                "n_positive": int(positive.sum()),
                "n_negative": int((~positive).sum()),
                "positive_class": metric.positive_class,
                "higher_is_better": metric.higher_is_better,
                "params": {"sample_of": self._sample.seen, **(more.get(metric.id, {}) if found else {})},
            }
            if metric.id in found:
                yield of_interval(metric.id, len(scores), found[metric.id], **own)
            else:
                yield entry(metric.id, len(scores), None, reason, **own)


def _curve(scores: np.ndarray, correct: np.ndarray) -> list[dict[str, float]]:
    """Accuracy among the answers given, from few of them to all."""
    if not 0 < correct.sum() < len(correct):
        return []
    return [
        {"coverage": round(float(share), 6), "accuracy": accuracy_at_coverage(scores, correct, float(share))}
        for share in COVERAGES
    ]
