"""Thresholds that flag more of ID test than they promised."""

from __future__ import annotations

from collections.abc import Iterator

from llmood.checks.base import CheckInput, checks
from llmood.questions.promise import FALSE_ALARMS, QUESTION
from llmood.records import Check


@checks.register("promise_missed")
def promise_missed(given: CheckInput) -> Iterator[Check]:
    """A false-alarm rate above what a kept promise gives in 99.5 of 100 cases: the rows are drawn differently."""
    for record in given.records:
        if (record["question"], record["metric"]) != (QUESTION, FALSE_ALARMS) or record["value"] is None:
            continue
        high, alpha = record["params"]["expected_high"], record["params"]["alpha"]
        if record["value"] > high:
            yield Check(
                "promise_missed",
                "warning",
                "More false alarms than promised",
                f"{record['scorer']} flags {record['value']:.1%} of {record['id_task']}, where {alpha:g} was promised "
                f"and up to {high:.1%} is chance: its test rows aren't drawn like its calibration rows, or the "
                "scorer saw those.",
                record["id_task"],
                {"rate": record["value"], "expected_high": high, "alpha": alpha},
            )
