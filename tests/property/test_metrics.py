"""What holds of every ranking metric on any data; ties and values of exactly 0 and 1 are always there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmood.metrics import (
    Ranking,
    Resamples,
    auroc,
    average_precision,
    bootstrap_intervals,
    fpr_at_tpr,
    holm,
    metric_draws,
    metrics_registry,
    precision_at_prevalence,
    resolve_metric,
    spearman,
)
from llmood.metrics.inputs import BoolArray, FloatArray, Population

OOD_METRICS = [name for name, metric in metrics_registry if metric.question == "ood_detection"]
POSITIVES: tuple[Population, ...] = ("ood", "id")
RATES = st.sampled_from([0.01, 0.5, 0.9, 0.95, 1.0])


@dataclass(frozen=True)
class Data:
    scores: FloatArray
    is_ood: BoolArray


@st.composite
def data(draw: st.DrawFn, *, finite: bool = False) -> Data:
    # Few values, so that most tie; 0 and 1 are in both populations, and so is a tie between the two.
    special = [0.0, -0.0, 1.0, 0.5, 1e-300] + ([] if finite else [math.inf, -math.inf])
    value = st.one_of(st.sampled_from(special), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
    rows = draw(st.lists(st.tuples(value, st.booleans()), max_size=40))
    rows += [(0.0, True), (0.0, False), (1.0, True), (1.0, False)]
    scores, is_ood = zip(*draw(st.permutations(rows)), strict=True)
    return Data(np.array(scores), np.array(is_ood))


def all_metrics(scores: FloatArray, is_ood: BoolArray) -> dict[str, float]:
    return {name: resolve_metric(name)(scores, is_ood) for name in OOD_METRICS}


@given(data())
def test_bounds(x: Data) -> None:
    for name, value in all_metrics(x.scores, x.is_ood).items():
        low, high = resolve_metric(name).bounds
        assert low <= value <= high


@given(data(), st.data())
def test_the_order_of_rows_changes_nothing_at_all(x: Data, choice: st.DataObject) -> None:
    order = np.array(choice.draw(st.permutations(range(len(x.scores)))))
    assert all_metrics(x.scores[order], x.is_ood[order]) == all_metrics(x.scores, x.is_ood)


@given(data())
def test_a_monotone_transform_changes_nothing_at_all(x: Data) -> None:
    ranks: FloatArray = np.unique(x.scores, return_inverse=True)[1].astype(np.float64)
    transforms: tuple[FloatArray, ...] = (
        ranks,
        np.exp(ranks / 5.0) - 17.0,
        -1.0 / (1.0 + ranks),
    )
    for transformed in transforms:
        assert all_metrics(transformed, x.is_ood) == all_metrics(x.scores, x.is_ood)


@given(data(), RATES)
def test_swapped_labels(x: Data, tpr: float) -> None:
    assert auroc(x.scores, ~x.is_ood) == pytest.approx(1 - auroc(x.scores, x.is_ood), abs=1e-15)
    assert auroc(-x.scores, ~x.is_ood) == auroc(x.scores, x.is_ood)
    assert average_precision(-x.scores, ~x.is_ood) == average_precision(x.scores, x.is_ood, positive="id")
    assert fpr_at_tpr(-x.scores, ~x.is_ood, tpr) == fpr_at_tpr(x.scores, x.is_ood, tpr, positive="id")


@given(data())
def test_auroc_equals_the_pairs_counted_one_by_one(x: Data) -> None:
    ood, ind = x.scores[x.is_ood][:, None], x.scores[~x.is_ood][None, :]
    assert auroc(x.scores, x.is_ood) == ((ood > ind).sum() + 0.5 * (ood == ind).sum()) / (ood.size * ind.size)


@given(data(finite=True))
def test_agrees_with_scikit_learn(x: Data) -> None:
    ours = auroc(x.scores, x.is_ood)
    assert ours == pytest.approx(sklearn.metrics.roc_auc_score(x.is_ood, x.scores), abs=1e-12)
    for positive, labels, scores in (("ood", x.is_ood, x.scores), ("id", ~x.is_ood, -x.scores)):
        theirs = sklearn.metrics.average_precision_score(labels, scores)
        assert resolve_metric(f"aupr_{positive}")(x.scores, x.is_ood) == pytest.approx(theirs, abs=1e-12)


@given(data(), st.sampled_from([1, 50, 90, 95, 100]), st.sampled_from(POSITIVES))
def test_fpr_equals_the_best_of_all_thresholds(x: Data, percent: int, positive: Population) -> None:
    sign = 1 if positive == "ood" else -1
    wanted = x.is_ood if positive == "ood" else ~x.is_ood
    rates = []
    for threshold in np.unique(sign * x.scores):
        flagged = sign * x.scores >= threshold
        if 100 * int((flagged & wanted).sum()) >= percent * int(wanted.sum()):
            rates.append((flagged & ~wanted).sum() / (~wanted).sum())
    assert fpr_at_tpr(x.scores, x.is_ood, percent / 100, positive) == min(rates)


@given(data(), st.sampled_from([0.01, 0.05, 0.3, 1.0]))
def test_precision_equals_counting_a_population_of_that_prevalence(x: Data, prevalence: float) -> None:
    # The threshold is the lowest of the highest ⌈0.95 n⌉ OOD scores.
    ood = np.sort(x.scores[x.is_ood])[::-1]
    threshold = ood[-(-95 * len(ood) // 100) - 1]
    weight = np.where(x.is_ood, prevalence / x.is_ood.sum(), (1 - prevalence) / (~x.is_ood).sum())
    flagged = x.scores >= threshold
    expected = weight[flagged & x.is_ood].sum() / weight[flagged].sum()
    assert precision_at_prevalence(x.scores, x.is_ood, prevalence) == pytest.approx(expected, abs=1e-12)


@given(data(), st.integers(0, 3), st.data())
@settings(max_examples=50)
def test_weights_equal_the_resample_written_out(x: Data, seed: int, choice: st.DataObject) -> None:
    n = len(x.scores)
    group = st.one_of(st.none(), st.integers(0, 5))
    groups = choice.draw(st.one_of(st.none(), st.lists(group, min_size=n, max_size=n)))
    resamples = Resamples(x.is_ood, groups, draws=5, seed=seed)
    metrics = [resolve_metric(name) for name in OOD_METRICS]
    fast = metric_draws(metrics, [x.scores], resamples)[0]
    for draw, weights in enumerate(np.concatenate(list(resamples.chunks()))):
        rows = np.repeat(np.arange(n), weights)
        written_out = [metric(x.scores[rows], x.is_ood[rows]) for metric in metrics]
        np.testing.assert_allclose(fast[:, draw], written_out, rtol=0, atol=1e-12)


@given(data())
def test_weights_of_one_are_the_samples_themselves(x: Data) -> None:
    ranking = Ranking(x.scores, x.is_ood)
    plain, weighted = ranking.counts(), ranking.counts(np.ones((2, len(x.scores)), dtype=np.int32))
    for row in range(2):
        np.testing.assert_array_equal(weighted.tp[row], plain.tp)
        np.testing.assert_array_equal(weighted.fp[row], plain.fp)
    twice = plain.flipped().flipped()
    np.testing.assert_array_equal(twice.tp, plain.tp)
    np.testing.assert_array_equal(twice.fp, plain.fp)


@given(data(), st.integers(0, 5))
@settings(max_examples=50)
def test_intervals_are_ordered_bounded_and_repeatable(x: Data, seed: int) -> None:
    intervals = bootstrap_intervals(OOD_METRICS, x.scores, x.is_ood, draws=40, seed=seed)
    assert intervals == bootstrap_intervals(OOD_METRICS, x.scores, x.is_ood, draws=40, seed=seed)
    for name, interval in intervals.items():
        assert interval.value == resolve_metric(name)(x.scores, x.is_ood)
        assert interval.low is not None
        assert interval.high is not None
        assert 0.0 <= interval.low <= interval.high <= 1.0


@given(st.lists(st.one_of(st.sampled_from([0.0, 1.0, 0.05]), st.floats(0, 1)), min_size=1, max_size=12))
def test_holm_equals_its_definition(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for place, row in enumerate(order):
        steps = [(len(p_values) - j) * p_values[order[j]] for j in range(place + 1)]
        assert adjusted[row] == min(1.0, max(steps))


@given(data(), data())
def test_spearman_agrees_with_scipy(x: Data, y: Data) -> None:
    n = min(len(x.scores), len(y.scores))
    a, b = x.scores[:n], y.scores[:n]
    assume(len(np.unique(a)) > 1 and len(np.unique(b)) > 1)
    # Ranks first: SciPy's own subtracts infinities.
    expected = scipy.stats.pearsonr(scipy.stats.rankdata(a), scipy.stats.rankdata(b)).statistic
    assert spearman(a, b) == pytest.approx(expected, abs=1e-9)
    assert spearman(a, a) == 1.0
    assert spearman(a, -b) == pytest.approx(-spearman(a, b), abs=1e-12)
