"""Confidence as a shift grows: what is found at each grade, its correlation with the grade, and all grades together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from llmood.config import BootstrapConfig
from llmood.metrics import brier, log_loss, mean_confidence_gap, prr, raulc, smooth_ece, spearman_accuracy
from llmood.questions.calibration_severity import METRICS, severity_of_confidence
from llmood.questions.confidences import Confidence, confidences
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import MetricRecord
from tests.unit.questions.test_calibration import CERTAIN, PLAIN, drawn, rows_of
from tests.unit.questions.test_error_detection import judgements

N = 40
STEPS = 6
MADE = confidences(rows_of(*drawn(7)), {"mine": CERTAIN}, ["platt"])
FAMILY = "home.typos"


def graded(steps: int = STEPS) -> tuple[ScoredBenchmark, Any]:
    """The more typos, the fewer right answers; the confidence of an answer stays what it was without."""
    generator = np.random.default_rng(0)
    own = generator.exponential(0.7, N)
    luck = generator.random(N)
    right = [luck < np.exp(-own) - 0.12 * step for step in range(steps)]
    scored = ScoredBenchmark(
        "b",
        Population("home", "none", None, np.arange(N)),
        tuple(
            Population(f"{FAMILY}.{step}", "covariate", step, np.arange(N) + N * step, FAMILY)
            for step in range(1, steps)
        ),
        {"mine": np.tile(own, steps)},
        np.array([f"g{row % N}" for row in range(steps * N)]),
        np.array([-1] * N + [row % N for row in range((steps - 1) * N)]),
    )
    return scored, judgements([bool(each) for each in np.concatenate(right)])


def measured(
    scored: ScoredBenchmark, judged: Any, made: dict[str, list[Confidence]] | None = None
) -> dict[tuple[str, str | None], MetricRecord]:
    steps: list[int] = []
    found = list(
        severity_of_confidence(
            scored, judged, made or MADE, BootstrapConfig(draws=100), 0, lambda: steps.append(1)
        )
    )
    assert len(steps) == 1
    assert {record.metric for record in found} <= set(METRICS)
    keys = [(record.metric, record.calibrator) for record in found]
    assert len(set(keys)) == len(keys)
    for record in found:
        assert (record.question, record.ood_task, record.shift) == ("calibration", FAMILY, "covariate")
        assert (record.value is None) <= (record.reason is not None)
    return dict(zip(keys, found, strict=True))


def parts(scored: ScoredBenchmark, judged: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    rows = [scored.id.rows, *(ood.rows for ood in scored.ood)]
    return [(np.exp(-scored.scores["mine"][own]), ~judged.wrong[own]) for own in rows]


def test_what_is_found_at_each_grade_and_its_correlation() -> None:
    scored, judged = graded()
    found = measured(scored, judged)
    own = parts(scored, judged)
    functions: dict[str, Any] = {
        "mean_confidence_gap": mean_confidence_gap,
        "brier": brier,
        "log_loss": log_loss,
        "smooth_ece": smooth_ece,
        "raulc": lambda confidence, right: raulc(1 - confidence, right),
    }
    for name, measure in functions.items():
        record = found[f"spearman_severity_{name}", None]
        at_each = [measure(*each) for each in own]
        assert record.params["values"] == pytest.approx(at_each, abs=1e-9)
        assert record.value == pytest.approx(spearmanr(range(STEPS), np.round(at_each, 12)).statistic)
        assert record.params["grades"] == list(range(STEPS))
        assert (record.params["family"], record.params["origin"]) == (FAMILY, "home")
        assert (record.n, record.n_unscored) == (N * STEPS, 0)
    accuracy = found["spearman_severity_accuracy", None]
    assert (accuracy.scorer, accuracy.value) == (None, -1.0)
    assert accuracy.params["values"] == pytest.approx([right.mean() for _, right in own])
    gap = found["spearman_severity_mean_confidence_gap", None]
    assert (gap.value, gap.ci_method) == (1.0, "percentile")
    assert gap.ci_low > 0.5
    assert found["spearman_severity_smooth_ece", None].ci_low is None
    # The confidence of an answer is the same at every grade.
    assert found["spearman_severity_mean_confidence", None].value is None
    assert found["spearman_severity_brier", "platt"].params["n_calibration"] == 200


def test_over_all_grades_together() -> None:
    scored, judged = graded()
    found = measured(scored, judged)
    confidence, right = (np.concatenate(each) for each in zip(*parts(scored, judged), strict=True))
    record = found["raulc", None]
    assert record.value == pytest.approx(raulc(1 - confidence, right))
    assert record.value == pytest.approx(prr(1 - confidence, right))
    assert record.ci_low < record.value < record.ci_high
    assert (record.n_positive, record.n_negative) == (int(right.sum()), int((~right).sum()))
    surer = found["spearman_accuracy", None]
    assert surer.value == spearman_accuracy(confidence, right)
    assert "no interval" in str(surer.reason)
    # Platt's line keeps the order.
    assert found["raulc", "platt"].value == pytest.approx(record.value)


def test_two_grades_have_no_correlation_and_the_rest_is_there() -> None:
    found = measured(*graded(steps=2))
    assert found["raulc", None].value is not None
    for name in ("accuracy", "brier", "smooth_ece", "raulc"):
        record = found[f"spearman_severity_{name}", None]
        assert record.value is None
        assert "answers at 2 grades" in str(record.reason)
    assert "80 answers: averages over 100" in str(found["spearman_accuracy", None].reason)


def test_unscored_unjudged_and_unfit() -> None:
    scored, judged = graded()
    scores = scored.scores["mine"].copy()
    scores[N : 2 * N] = np.nan
    scores[-1] = np.nan
    found = measured(replace(scored, scores={"mine": scores}), judged)
    record = found["spearman_severity_brier", None]
    assert record.params["grades"] == [0, 2, 3, 4, 5]
    assert (record.n, record.n_unscored) == (N * 5 - 1, N + 1)
    assert found["spearman_severity_accuracy", None].params["grades"] == list(range(STEPS))
    none = measured(replace(scored, scores={"mine": np.full(N * STEPS, np.nan)}), judged)
    assert none["raulc", None].reason == "no sample was scored"
    unfit = confidences(rows_of(drawn(7)[0], np.ones(400, dtype=bool)), {"mine": PLAIN}, ["platt"])
    reasons = {record.reason for key, record in measured(scored, judged, unfit).items() if key[1] == "platt"}
    assert len(reasons) == 1
    assert measured(scored, replace(judged, judged=np.zeros(N * STEPS, dtype=bool))) == {}


def test_an_infinite_loss_and_a_grade_without_wrong_answers_are_said() -> None:
    scored, judged = graded()
    scores = scored.scores["mine"].copy()
    wrong = judged.wrong.copy()
    wrong[:N] = False
    scores[np.flatnonzero(wrong)[0]] = 0.0  # certain, and wrong
    found = measured(replace(scored, scores={"mine": scores}), replace(judged, wrong=wrong))
    loss = found["spearman_severity_log_loss", None]
    assert loss.value is None
    assert "infinite: 1 of 240" in str(loss.reason)
    assert str(found["spearman_severity_raulc", None].reason).startswith("at grade 0, ")
    assert found["spearman_severity_brier", None].value is not None
