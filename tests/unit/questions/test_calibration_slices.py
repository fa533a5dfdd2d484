"""Calibration by domain and language: what makes a slice, what its numbers are, and what is in none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llmood.calibrated import slice_columns
from llmood.identity import digest
from llmood.metrics import brier, calibration_estimates, calibration_metrics
from llmood.questions.calibration_slices import SLICED, calibration_slices
from llmood.questions.confidences import confidences
from llmood.questions.populations import ScoredBenchmark
from llmood.records import MetricRecord
from llmood.seeds import derive_seed
from llmood.tables import SAMPLES
from llmood.tokenise import without_text
from tests.unit.questions.test_calibration import BOOTSTRAP, CERTAIN, N, drawn, rows_of, world

MADE = confidences(rows_of(*drawn(7)), {"mine": CERTAIN}, ["platt"])


def sliced(
    names: Sequence[str | None],
    scored: ScoredBenchmark | None = None,
    judged: Any = None,
    by: str = "domain",
) -> dict[tuple[str, str | None, str | None, str | None], MetricRecord]:
    own, verdicts = world()
    steps: list[int] = []
    records = list(
        calibration_slices(
            scored or own,
            judged or verdicts,
            MADE,
            {by: names},
            bootstrap=BOOTSTRAP,
            seed=0,
            on_step=lambda: steps.append(1),
        )
    )
    assert len(steps) == 2
    found = {(each.slice, each.metric, each.calibrator, each.ood_task): each for each in records}
    assert len(found) == len(records)
    return found


def test_each_slice_has_the_numbers_of_its_own_answers() -> None:
    scored, judged = world()
    names = ["cards" if place % 3 else "travel" for place in range(2 * N)]
    found = sliced(names)
    assert {key[0] for key in found} == {"domain:cards", "domain:travel"}
    assert {key[1] for key in found} == set(SLICED)
    for name, task, start in (("cards", None, 0), ("travel", "away", N)):
        rows = np.array([row for row in range(start, start + N) if names[row] == name])
        confidence, right = np.exp(-scored.scores["mine"][rows]), ~judged.wrong[rows]
        record = found[f"domain:{name}", "brier", None, task]
        assert record.value == pytest.approx(brier(confidence, right))
        assert (record.n, record.n_positive) == (len(rows), int(right.sum()))
        assert record.params == {"by": "domain", "not_sliced": {}}
        assert record.question == "calibration"
        # The interval that these answers alone would have.
        (metric,) = (each for each in calibration_metrics() if each.id == "brier")
        alone = calibration_estimates(
            confidence,
            right,
            groups=scored.groups[rows].tolist(),
            draws=100,
            seed=derive_seed(0, "errors", task or "home"),
            metrics=[metric],
        )["brier"]
        assert (record.ci_low, record.ci_high) == (alone.low, alone.high)
    assert found["domain:cards", "brier", "platt", None].params["n_calibration"] == N // 2


def test_a_domain_of_few_groups_and_samples_of_none_are_counted_and_not_measured() -> None:
    scored, _ = world()
    names: list[str | None] = ["cards"] * (2 * N)
    names[:9] = ["nine"] * 9
    names[9:19] = ["ten"] * 10
    names[19:22] = [None] * 3
    # Twenty rows of one group are one group.
    names[30:50] = ["one"] * 20
    groups = scored.groups.copy()
    groups[30:50] = "one"
    found = sliced(names, replace(scored, groups=groups))
    assert {key[0] for key in found} == {"domain:cards", "domain:ten"}
    record = found["domain:ten", "brier", None, None]
    assert (record.n, record.ood_task) == (10, None)
    assert record.params["not_sliced"] == {
        "in a domain of under 10 independent groups": 29,
        "without a domain": 3,
    }
    # The other population is of one domain: its slice would be the whole.
    assert {key[3] for key in found} == {None}


def test_unjudged_answers_make_no_slice() -> None:
    _, judged = world()
    names = ["cards" if place % 2 else "travel" for place in range(2 * N)]
    known = judged.judged.copy()
    known[:N:2] = False  # all of travel at home
    known[18:N:2] = False
    found = sliced(names, judged=replace(judged, judged=known))
    assert ("domain:travel", "brier", None, None) not in found
    assert ("domain:travel", "brier", None, "away") in found


def test_a_slice_of_right_answers_alone_has_values_and_no_interval() -> None:
    _, judged = world()
    names = ["sure" if place < 50 else "other" for place in range(2 * N)]
    wrong = judged.wrong.copy()
    wrong[:50] = False
    found = sliced(names, judged=replace(judged, wrong=wrong), by="language")
    record = found["language:sure", "log_loss", None, None]
    assert record.value is not None
    assert record.ci_low is None
    assert "every answer is right" in str(record.reason)


def test_names_are_those_of_the_run_s_files() -> None:
    row = {"sample_id": "s", "prompt": "words", "domain": "cards", "language": "de"}
    table = pa.Table.from_pylist([row], schema=SAMPLES)
    assert slice_columns(table, text=True) == {"domain": ["cards"], "language": ["de"]}
    hidden = {"domain": [digest("cards")], "language": ["de"]}
    assert slice_columns(table, text=False) == hidden
    # Scored again, from what it kept.
    assert slice_columns(without_text(table), text=False) == hidden
