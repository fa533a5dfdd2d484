"""Confidences and thresholds made of calibration rows, and what they are worth on what is measured."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest

from llmood.calibration_config import CalibrationConfig
from llmood.calibrators import calibrators
from llmood.config import BootstrapConfig
from llmood.measures.split_conformal import beta_binomial_interval
from llmood.questions.calibration import calibration, steps_of
from llmood.questions.calibration_rows import CalibrationRows
from llmood.questions.confidences import Confidence, confidences
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.questions.promise import promise
from llmood.questions.promises import NO_OTHER
from llmood.records import MetricRecord
from llmood.scorers.base import scorers
from tests.unit.questions.test_error_detection import judgements

BOOTSTRAP = BootstrapConfig(draws=100)
PLAIN = scorers.get("likelihood").make()
CERTAIN = scorers.get("sequence_probability").make()  # its score is −log p
N = 400


def drawn(seed: int, n: int = N, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and answers that are right with probability exp(−score) where nothing shifts."""
    generator = np.random.default_rng(seed)
    scores = generator.exponential(0.7, n)
    return scores, generator.random(n) < np.exp(-scores) - shift


def rows_of(
    scores: np.ndarray, correct: np.ndarray, half: np.ndarray | None = None, judged: np.ndarray | None = None
) -> CalibrationRows:
    n = len(scores)
    return CalibrationRows(
        {"mine": scores},
        np.ones(n, dtype=bool) if judged is None else judged,
        ~correct,
        np.arange(n) % 2 == 0 if half is None else half,
    )


def world(seed: int = 1, shift: float = 0.3) -> tuple[ScoredBenchmark, Any]:
    home, away = drawn(seed), drawn(seed + 1, shift=shift)
    scores = np.concatenate([home[0], away[0] + 1.0])
    scored = ScoredBenchmark(
        "b",
        Population("home", "none", None, np.arange(N)),
        (Population("away", "far", None, np.arange(N, 2 * N)),),
        {"mine": scores, "length": scores},
        np.array([f"g{place}" for place in range(2 * N)]),
    )
    return scored, judgements([bool(right) for right in (*home[1], *away[1])])


def measured(
    made: dict[str, list[Confidence]], scored: ScoredBenchmark, judged: Any
) -> dict[tuple[str, str | None, str | None], MetricRecord]:
    steps: list[int] = []
    records = list(calibration(scored, judged, made, BOOTSTRAP, 0, lambda: steps.append(1)))
    assert len(steps) == steps_of(scored, judged, made)
    keys = [(record.metric, record.calibrator, record.ood_task) for record in records]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, records, strict=True))


def test_raw_and_calibrated_confidences_are_measured_on_each_population() -> None:
    scored, judged = world()
    made = confidences(rows_of(*drawn(7)), {"mine": CERTAIN}, ["platt", "temperature"])
    found = measured(made, scored, judged)
    for calibrator in (None, "platt", "temperature"):
        home, away = found["brier", calibrator, None], found["brier", calibrator, "away"]
        assert (home.question, home.scorer, home.population) == ("calibration", "mine", "id")
        assert (away.population, away.shift, away.n) == ("ood", "far", N)
        assert home.ci_low < home.value < home.ci_high
        assert home.value < away.value
        assert home.positive_class == "right"
        assert home.n_positive == int((~judged.wrong[:N]).sum())
        assert home.n_negative == N - home.n_positive
        assert home.params == ({} if calibrator is None else {"n_calibration": N // 2})
    scores, right = scored.scores["mine"][:N], ~judged.wrong[:N]
    assert found["brier", None, None].value == pytest.approx(((np.exp(-scores) - right) ** 2).mean())
    ece = found["ece_width_15", None, None]
    assert ece.ci_low is None
    assert "band" in str(ece.reason)
    assert ece.params["band_low"] < ece.params["band_expected"] < ece.params["band_high"]
    # Right with the probability that it says: the value is within the band of perfect calibration.
    assert ece.value <= ece.params["band_high"]
    assert found["ece_width_15", None, "away"].value > found["ece_width_15", None, "away"].params["band_high"]


def test_calibrators_learn_from_their_half_and_from_judged_answers_alone() -> None:
    scores, correct = drawn(3)
    half, judged = np.arange(N) % 2 == 0, np.arange(N) % 3 > 0
    spoiled_scores, spoiled = scores.copy(), correct.copy()
    spoiled_scores[~half] = 99.0
    spoiled[~judged | ~half] ^= True
    ours, theirs = (
        Confidence.fitted("mine", PLAIN.probability, "platt", rows_of(*own, half, judged))
        for own in ((scores, correct), (spoiled_scores, spoiled))
    )
    assert ours.n == int((half & judged).sum())
    assert ours.made is not None
    assert theirs.made is not None
    assert ours.made.state() == theirs.made.state()
    alone = calibrators.get("platt")().fit(scores[half & judged], correct[half & judged])
    assert ours.made.state() == alone.state()


def test_what_reads_a_probability_is_left_out_where_there_is_none() -> None:
    made = confidences(rows_of(*drawn(3)), {"mine": PLAIN}, ["platt", "temperature", "beta"])
    assert [each.calibrator for each in made["mine"]] == ["platt"]


def test_a_probability_calibrator_reads_the_scorers_own_word() -> None:
    scores, correct = drawn(3)
    made = Confidence.fitted("mine", CERTAIN.probability, "temperature", rows_of(scores, correct))
    own = calibrators.get("temperature")().fit(1 - np.exp(-scores[::2]), correct[::2])
    assert made.of(scores).tolist() == own.confidence(1 - np.exp(-scores)).tolist()
    assert made.to_json()["reads"] == "probability"
    assert Confidence.of_kept(made.kept).of(scores).tolist() == made.of(scores).tolist()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scores": np.full(N, 2.0)}, "all scores are equal"),
        ({"correct": np.ones(N, dtype=bool)}, "every answer to calibrate by is right"),
        ({"judged": np.zeros(N, dtype=bool)}, "0 scored answers are too few"),
        ({"scores": np.full(N, np.nan)}, "0 scored answers are too few"),
    ],
)
def test_what_can_not_be_calibrated_is_null_and_says_why(change: dict[str, np.ndarray], reason: str) -> None:
    scores, correct = drawn(3)
    rows = rows_of(**{"scores": scores, "correct": correct, **change})
    scored, judged = world()
    found = measured(confidences(rows, {"mine": PLAIN}, ["platt"]), scored, judged)
    for record in found.values():
        assert record.value is None
        assert reason in str(record.reason)


def test_an_infinite_log_loss_is_null_and_the_rest_is_there() -> None:
    scored, judged = world()
    scores = scored.scores["mine"].copy()
    scores[np.flatnonzero(judged.wrong)[0]] = 0.0  # certain, and wrong
    found = measured(
        {"mine": [Confidence("mine", CERTAIN.probability, None)]},
        replace(scored, scores={"mine": scores}),
        judged,
    )
    assert found["log_loss", None, None].value is None
    assert "infinite: 1 of 400" in str(found["log_loss", None, None].reason)
    assert found["brier", None, None].value is not None


def kept(
    rows: CalibrationRows, scored: ScoredBenchmark, judged: Any, **config: Any
) -> dict[tuple[str, str | None], MetricRecord]:
    settings = CalibrationConfig(**config)
    records = list(promise(scored, judged, rows, settings, bootstrap=BOOTSTRAP, seed=0))
    assert {record.scorer for record in records} == {"mine"}  # no baseline
    keys = [(record.metric, record.ood_task) for record in records]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, records, strict=True))


def test_a_threshold_is_held_against_its_promise_on_id_and_promises_nothing_on_a_shift() -> None:
    scored, judged = world()
    scores, correct = drawn(5)
    found = kept(rows_of(scores, correct), scored, judged, false_alarms=0.1)
    held = np.sort(scores[1::2])
    value = held[len(held) - 20]  # ⌊0.1 · 201⌋ = 20
    home, away = found["false_alarm_rate", None], found["flag_rate", "away"]
    assert home.params["threshold"] == away.params["threshold"] == value
    assert home.value == (scored.scores["mine"][:N] > value).mean()
    assert away.value == (scored.scores["mine"][N:] > value).mean()
    assert home.ci_low < home.value < home.ci_high
    assert home.params["promised"] is True
    assert away.params["promised"] is False
    expected = beta_binomial_interval(200, 0.1, N, 0.99)
    assert (home.params["expected_low"], home.params["expected_high"]) == expected
    assert "expected_low" not in away.params
    assert (home.higher_is_better, away.higher_is_better) == (False, True)
    careful = found["false_alarm_rate_pac", None]
    assert careful.params["threshold"] > value
    assert careful.params["delta"] == 0.1
    assert careful.params["expected_high"] < home.params["expected_high"]


def test_a_promise_that_the_rows_can_not_hold_names_the_least_one() -> None:
    scored, judged = world()
    scores, correct = drawn(5, n=20)
    found = kept(rows_of(scores, correct), scored, judged)
    home = found["false_alarm_rate", None]
    assert home.value is None
    assert "no α below 0.091" in str(home.reason)
    assert home.params["threshold"] is None
    assert home.params["promised"] is False


def test_promises_on_wrong_answers_are_counted_as_they_are_given() -> None:
    scored, judged = world()
    scores, correct = drawn(5, n=2000)
    rows = rows_of(scores, correct)
    found = kept(rows, scored, judged, wrong_answered=0.1, error_among_answered=0.2)
    risk, error = found["wrong_answered_rate", None], found["error_among_answered", None]
    own, wrong = scored.scores["mine"][:N], judged.wrong[:N]
    assert risk.value == (wrong & (own <= risk.params["threshold"])).mean()
    answered = own <= error.params["threshold"]
    assert error.value == wrong[answered].mean()
    assert error.params["answered"] == answered.mean()
    assert risk.correctness == "exact_match"
    assert ("error_among_answered", "away") in found


def test_halves_that_hold_nothing_are_said() -> None:
    scored, judged = world()
    scores, correct = drawn(5)
    all_of_one = rows_of(scores, correct, np.zeros(N, dtype=bool))
    found = kept(all_of_one, scored, judged, error_among_answered=0.2)
    assert found["error_among_answered", None].reason == NO_OTHER
    none = kept(rows_of(scores, correct, np.ones(N, dtype=bool)), scored, judged, wrong_answered=0.2)
    for record in none.values():
        assert record.value is None
        assert "0 calibration rows" in str(record.reason)


def test_calibrating_helps_where_the_scorer_is_sure_of_itself() -> None:
    scored, judged = world(shift=0.0)
    sure = replace(scored, scores={"mine": scored.scores["mine"] / 5})
    made = confidences(rows_of(drawn(7)[0] / 5, drawn(7)[1]), {"mine": CERTAIN}, ["temperature"])
    found = measured(made, sure, judged)
    assert found["log_loss", "temperature", None].value < found["log_loss", None, None].value
    assert found["log_loss", "temperature", None].value < log(2)


def test_what_calibrating_changes_is_a_record_with_a_paired_interval() -> None:
    scored, judged = world()
    made = confidences(rows_of(*drawn(7)), {"mine": CERTAIN}, ["platt", "temperature"])
    found = measured(made, scored, judged)
    for calibrator in ("platt", "temperature"):
        for task in (None, "away"):
            for metric in ("log_loss", "brier", "smooth_ece"):
                change = found[f"{metric}_change", calibrator, task]
                after, before = found[metric, calibrator, task], found[metric, None, task]
                assert change.value == pytest.approx(after.value - before.value, abs=1e-12)
                assert (change.n, change.n_positive) == (after.n, after.n_positive)
                assert change.params == {"n_calibration": N // 2}
                assert change.higher_is_better is False
            change = found["brier_change", calibrator, task]
            assert change.ci_method == "paired_percentile"
            assert change.ci_low < change.value < change.ci_high
            assert found["smooth_ece_change", calibrator, task].ci_low is None
    assert ("brier_change", None, None) not in found


def test_nothing_is_changed_where_there_is_nothing_before_or_after() -> None:
    scored, judged = world()
    plain = measured(confidences(rows_of(*drawn(7)), {"mine": PLAIN}, ["platt"]), scored, judged)
    assert not [metric for metric, _, _ in plain if metric.endswith("_change")]
    unfit = confidences(rows_of(drawn(7)[0], np.ones(N, dtype=bool)), {"mine": CERTAIN}, ["platt"])
    found = measured(unfit, scored, judged)["log_loss_change", "platt", "away"]
    assert found.value is None
    assert "every answer to calibrate by is right" in str(found.reason)
    unscored = replace(scored, scores={"mine": np.full(2 * N, np.nan)})
    made = confidences(rows_of(*drawn(7)), {"mine": CERTAIN}, ["platt"])
    assert measured(made, unscored, judged)["brier_change", "platt", None].reason == "no sample was scored"
