"""Error detection in each population apart: what is judged, what is left out, who is best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from llmood.config import BootstrapConfig
from llmood.questions.error_detection import TOO_FEW, error_detection, steps_of
from llmood.questions.judgements import Judgements, read_judgements
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.tables import CORRECTNESS, SAMPLES

N = 40
BOOTSTRAP = BootstrapConfig(draws=100)


def judgements(correct: list[bool | None], **more: Any) -> Judgements:
    rows = [
        {
            "sample_id": f"s{place}",
            "rule": "exact_match",
            "correct": value,
            "quality": None if value is None else float(value),
            "status": "unscored" if value is None else "ok",
            "reason": "no reference" if value is None else None,
            **more,
        }
        for place, value in enumerate(correct)
    ]
    ids = [{"sample_id": f"s{place}"} for place in range(len(correct))]
    return read_judgements(
        pa.Table.from_pylist(rows, schema=CORRECTNESS), pa.Table.from_pylist(ids, schema=SAMPLES)
    )


def benchmark(**scores: np.ndarray) -> ScoredBenchmark:
    groups = np.array([f"g{place}" for place in range(2 * N)])
    return ScoredBenchmark(
        "b",
        Population("home", "none", None, np.arange(N)),
        (Population("away", "near", None, np.arange(N, 2 * N)),),
        scores,
        groups,
    )


def found(scored: ScoredBenchmark, judged: Judgements) -> dict[tuple[str, str | None, str], MetricRecord]:
    steps = []
    records = list(error_detection(scored, judged, BOOTSTRAP, 0, lambda: steps.append(1)))
    assert len(steps) == steps_of(scored, judged)
    keys = [(r.metric, r.scorer, r.ood_task or r.id_task) for r in records]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, records, strict=True))


RIGHT = [place % 4 != 0 for place in range(2 * N)]
PERFECT = np.array([0.0 if right else 1.0 for right in RIGHT])


def test_populations_are_never_pooled() -> None:
    """A score that finds every error at home and ranks them backwards away."""
    scores = np.where(np.arange(2 * N) < N, PERFECT, -PERFECT)
    records = found(benchmark(flips=scores), judgements(RIGHT))
    assert records["auroc", "flips", "home"].value == 1.0
    assert records["auroc", "flips", "away"].value == 0.0
    assert records["auroc_loss", "flips", "away"].value == 1.0
    assert records["accuracy", None, "home"].value == records["accuracy", None, "away"].value == 0.75
    home = records["auroc", "flips", "home"]
    assert (home.n, home.n_negative, home.n_positive) == (40, 30, 10)
    assert (home.population, home.ood_task, home.positive_class) == ("id", None, "wrong")


def test_what_can_t_be_judged_is_counted_and_left_out() -> None:
    right: list[bool | None] = [None if place < 6 else value for place, value in enumerate(RIGHT)]
    records = found(benchmark(good=PERFECT), judgements(right, finish="length"))
    accuracy = records["accuracy", None, "home"]
    assert (accuracy.n, accuracy.n_unscored) == (N - 6, 6)
    assert accuracy.params == {"not_judged": {"no reference": 6}, "cut_off": N - 6}
    assert records["auroc", "good", "home"].n == N - 6
    assert records["auroc", "good", "home"].n_unscored == 0


def test_a_population_without_a_judged_answer_says_so_once() -> None:
    right: list[bool | None] = [*RIGHT[:N], *([None] * N)]
    records = found(benchmark(good=PERFECT), judgements(right))
    away = {key: record for key, record in records.items() if key[2] == "away"}
    assert list(away) == [("accuracy", None, "away")]
    assert (away["accuracy", None, "away"].value, away["accuracy", None, "away"].n_unscored) == (None, N)


def test_all_right_and_all_wrong_are_null_with_a_reason() -> None:
    for value, words in ((True, "every answer is right"), (False, "every answer is wrong")):
        records = found(benchmark(good=PERFECT, fair=-PERFECT), judgements([value] * 2 * N))
        for key, record in records.items():
            if key[0] in ("accuracy", "accuracy_loss"):
                assert record.value == (float(value) if key[0] == "accuracy" else 0.0)
            else:
                assert record.value is None, key
                assert words in str(record.reason)


def test_what_a_scorer_leaves_out_is_counted_and_who_leaves_much_out_is_not_compared() -> None:
    gaps = PERFECT.copy()
    gaps[:8] = np.nan
    noisy = PERFECT + np.random.default_rng(0).normal(scale=0.7, size=2 * N)
    records = found(benchmark(gaps=gaps, noisy=noisy, good=PERFECT), judgements(RIGHT))
    assert (records["auroc", "gaps", "home"].n, records["auroc", "gaps", "home"].n_unscored) == (N - 8, 8)
    assert records["auroc_behind_best", "gaps", "home"].reason == TOO_FEW
    best = records["auroc_behind_best", "good", "home"]
    assert (best.value, best.params["best"]) == (0.0, "good")
    behind = records["auroc_behind_best", "noisy", "home"]
    assert behind.value is not None
    assert behind.value > 0
    assert behind.params["p_holm"] <= 1


def test_random_scores_lose_nothing_that_can_be_told() -> None:
    scores = np.random.default_rng(1).normal(size=2 * N)
    lost = found(benchmark(noise=scores), judgements(RIGHT))["auroc_loss", "noise", "away"]
    assert lost.ci_low is not None
    assert lost.ci_high is not None
    assert lost.ci_low < 0 < lost.ci_high


def test_a_sample_without_a_row_was_not_answered() -> None:
    ids = pa.Table.from_pylist([{"sample_id": "a"}], schema=SAMPLES)
    judged = read_judgements(CORRECTNESS.empty_table(), ids)
    assert judged.unjudged(Population("t", "none", None, np.array([0]))) == {"not answered": 1}
