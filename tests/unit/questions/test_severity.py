"""Severity: which populations make a curve, from where it starts, and the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy.stats import spearmanr

from llmood.config import BootstrapConfig
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.questions.severity import CORRELATION, SHIFT, families, severity
from llmood.records import MetricRecord

N = 10


def benchmark(
    scores: Mapping[str, Floats],
    parts: Sequence[tuple[str, int | None, str | None]],
    parents: Sequence[int] | None = None,
) -> ScoredBenchmark:
    """ID `home` and populations (task, severity, family), ten rows each."""
    ood = tuple(
        Population(task, "covariate", grade, np.arange(N) + N * (place + 1), family)
        for place, (task, grade, family) in enumerate(parts)
    )
    rows = N * (len(parts) + 1)
    return ScoredBenchmark(
        "b",
        Population("home", "none", None, np.arange(N)),
        ood,
        scores,
        np.array([f"sample:{row}" for row in range(rows)]),
        None if parents is None else np.array(parents),
    )


def measure(scored: ScoredBenchmark) -> dict[tuple[str, str | None], MetricRecord]:
    records = severity(scored, BootstrapConfig(draws=100), seed=0)
    return {(record.metric, record.ood_task): record for record in records}


OF_ID = [-1] * N + [*range(N)] * 2
TWO_GRADES = [("home.typos.2", 2, "home.typos"), ("home.typos.1", 1, "home.typos")]
ID_SCORES = np.arange(N, dtype=float)  # their standard deviation: sqrt(82.5 / 9)
SPREAD = (82.5 / 9) ** 0.5


def test_pairs_are_compared_with_their_parents() -> None:
    scores = np.concatenate([ID_SCORES, ID_SCORES + 2, ID_SCORES + 1])
    scored = benchmark({"s": scores}, TWO_GRADES, OF_ID)
    (family,) = families(scored)
    assert family.origin is scored.id
    assert [grade.task for grade in family.grades] == ["home.typos.1", "home.typos.2"]
    found = measure(scored)
    assert set(found) == {(CORRELATION, "home.typos"), (SHIFT, "home.typos.1"), (SHIFT, "home.typos.2")}
    for grade in (1, 2):
        record = found[SHIFT, f"home.typos.{grade}"]
        assert record.value == pytest.approx(grade / SPREAD)
        assert record.severity == grade
        assert record.params == {"family": "home.typos", "paired": True}
        assert record.ci_low is not None
        assert record.ci_high is not None
        assert record.ci_low < grade / SPREAD < record.ci_high
        assert (record.question, record.n, record.n_negative, record.n_positive) == ("severity", 20, 10, 10)
    correlation = found[CORRELATION, "home.typos"]
    expected = spearmanr(np.repeat([0, 2, 1], N), scores).statistic
    assert correlation.value == pytest.approx(expected)
    assert (correlation.n, correlation.severity) == (30, None)
    assert correlation.params == {"family": "home.typos", "grades": [0, 1, 2], "origin": "home"}


def test_a_parent_and_its_child_are_drawn_together() -> None:
    # Every child is its parent and 1: only the spread varies, so far less than if they were drawn apart.
    scores = np.concatenate([ID_SCORES, ID_SCORES + 2, ID_SCORES + 1])
    paired = measure(benchmark({"s": scores}, TWO_GRADES, OF_ID))[SHIFT, "home.typos.1"]
    alone = measure(benchmark({"s": scores}, TWO_GRADES))[SHIFT, "home.typos.1"]
    assert alone.params["paired"] is False
    assert alone.value == pytest.approx(paired.value)
    assert None not in (paired.ci_low, paired.ci_high, alone.ci_low, alone.ci_high)
    assert paired.ci_high - paired.ci_low < (alone.ci_high - alone.ci_low) / 2  # type: ignore[operator]


def test_what_a_scorer_left_out_is_left_out_with_its_child() -> None:
    scores = np.concatenate([ID_SCORES, ID_SCORES + 2, ID_SCORES + 1])
    scores[0] = np.nan  # an ID sample, and the parent of two
    scores[2 * N + 9] = np.nan  # a child at grade 1
    found = measure(benchmark({"s": scores}, TWO_GRADES, OF_ID))
    one = found[SHIFT, "home.typos.1"]
    assert (one.n_negative, one.n_positive, one.n_unscored) == (9, 8, 3)
    assert one.value == pytest.approx(1 / np.arange(1, N).std(ddof=1))
    assert (found[CORRELATION, "home.typos"].n, found[CORRELATION, "home.typos"].n_unscored) == (28, 2)


def test_a_corrupted_ood_set_starts_at_that_set() -> None:
    # away scores 100 more than ID; corrupted, it scores 1 more than away.
    scores = np.concatenate([ID_SCORES, ID_SCORES + 100, ID_SCORES + 101])
    parents = [-1] * 2 * N + [*range(N, 2 * N)]
    scored = benchmark({"s": scores}, [("away", None, None), ("away.case.3", 3, "away.case")], parents)
    (family,) = families(scored)
    assert family.origin.task == "away"
    found = measure(scored)
    assert found[SHIFT, "away.case.3"].value == pytest.approx(1 / SPREAD)
    expected = spearmanr(np.repeat([0, 3], N), scores[N:]).statistic
    assert found[CORRELATION, "away.case"].value == pytest.approx(expected)


def test_a_family_may_bring_its_own_grade_0() -> None:
    scores = np.concatenate([ID_SCORES, ID_SCORES + 5, ID_SCORES + 7])
    scored = benchmark({"s": scores}, [("clean", 0, "noise"), ("loud", 1, "noise")])
    (family,) = families(scored)
    assert (family.origin.task, [grade.task for grade in family.grades]) == ("clean", ["loud"])
    assert measure(scored)[SHIFT, "loud"].value == pytest.approx(7 / SPREAD)


def test_a_flat_score_is_undefined_and_says_why() -> None:
    found = measure(benchmark({"s": np.zeros(3 * N)}, TWO_GRADES, OF_ID))
    assert all(record.value is None and record.reason for record in found.values())
    assert "all ID scores are the same" in str(found[SHIFT, "home.typos.1"].reason)


def test_without_a_family_there_is_nothing_to_measure() -> None:
    scored = benchmark({"s": np.arange(2.0 * N)}, [("away", 3, None)])
    assert families(scored) == []
    assert measure(scored) == {}
