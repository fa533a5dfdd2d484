"""Comparisons of scorers: pairing, Holm's correction, and what the data could have shown."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmood.metrics import (
    UndefinedMetric,
    auroc,
    bootstrap_interval,
    holm,
    paired_difference,
    rank_scorers,
    smallest_detectable_difference,
)
from llmood.metrics.inputs import BoolArray, FloatArray


@pytest.fixture
def populations() -> tuple[dict[str, FloatArray], BoolArray]:
    generator = np.random.default_rng(0)
    is_ood = np.repeat([False, True], 150)
    strong = generator.normal(size=300) + 2.0 * is_ood
    return {
        "random": generator.normal(size=300),
        "strong": strong,
        "twin": strong + 0.01 * generator.normal(size=300),
        "weak": strong + 3.0 * generator.normal(size=300),
    }, is_ood


class TestPairedDifference:
    def test_of_a_score_with_itself_is_nothing(
        self, populations: tuple[dict[str, FloatArray], BoolArray]
    ) -> None:
        scores, is_ood = populations
        found = paired_difference("auroc", scores["strong"], scores["strong"], is_ood, draws=100)
        assert (found.value, found.low, found.high, found.p_value, found.standard_error) == (0, 0, 0, 1, 0)
        assert (found.level, found.draws) == (0.95, 100)

    def test_of_a_strong_and_a_random_scorer(
        self, populations: tuple[dict[str, FloatArray], BoolArray]
    ) -> None:
        scores, is_ood = populations
        found = paired_difference("auroc", scores["strong"], scores["random"], is_ood, draws=400)
        assert found.value == auroc(scores["strong"], is_ood) - auroc(scores["random"], is_ood)
        assert 0 < found.low < found.value < found.high
        # No draw of 400 lies below 0: 2·(0 + 1)/(400 + 1).
        assert found.p_value == pytest.approx(2 / 401)

    def test_is_antisymmetric(self, populations: tuple[dict[str, FloatArray], BoolArray]) -> None:
        scores, is_ood = populations
        there = paired_difference("aupr_ood", scores["twin"], scores["strong"], is_ood, draws=200)
        back = paired_difference("aupr_ood", scores["strong"], scores["twin"], is_ood, draws=200)
        assert back.value == -there.value
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
        assert (back.p_value, back.standard_error) == pytest.approx((there.p_value, there.standard_error))

    def test_pairing_sees_what_two_intervals_hide(self) -> None:
        # The same noise in both scorers: each AUROC is uncertain, their difference is not.
        generator = np.random.default_rng(1)
        is_ood = np.repeat([False, True], 200)
        noise = generator.normal(size=400)
        better, worse = noise + 0.8 * is_ood, noise + 0.6 * is_ood
        intervals = [bootstrap_interval("auroc", scores, is_ood) for scores in (better, worse)]
        assert intervals[0].low is not None
        assert intervals[1].high is not None
        assert intervals[0].low < intervals[1].high
        assert paired_difference("auroc", better, worse, is_ood).p_value < 0.01

    def test_p_value_of_no_difference_is_spread_out(self) -> None:
        # Two scorers of the same quality: over 200 data sets about 5 % of p-values fall below 0.05.
        low = 0
        for replication in range(200):
            generator = np.random.default_rng(replication)
            is_ood = np.repeat([False, True], 60)
            a, b = generator.normal(size=(2, 120)) + is_ood
            low += paired_difference("auroc", a, b, is_ood, draws=200, seed=replication).p_value < 0.05
        # 10 expected, standard deviation 3.1.
        assert 1 <= low <= 22

    def test_groups_move_together(self, populations: tuple[dict[str, FloatArray], BoolArray]) -> None:
        scores, is_ood = populations
        strong, weak = (np.repeat(scores[name], 4) for name in ("strong", "weak"))
        labels = np.repeat(is_ood, 4)
        naive = paired_difference("auroc", strong, weak, labels)
        grouped = paired_difference(
            "auroc", strong, weak, labels, groups=np.repeat(np.arange(300), 4).tolist()
        )
        # Four copies halve the naive standard error.
        assert grouped.standard_error == pytest.approx(2 * naive.standard_error, rel=0.2)

    def test_a_callable_works(self, populations: tuple[dict[str, FloatArray], BoolArray]) -> None:
        scores, is_ood = populations
        slow = paired_difference(auroc, scores["strong"], scores["weak"], is_ood, draws=50)
        fast = paired_difference("auroc", scores["strong"], scores["weak"], is_ood, draws=50)
        assert (slow.low, slow.high, slow.p_value) == pytest.approx((fast.low, fast.high, fast.p_value))

    def test_what_has_no_answer(self) -> None:
        with pytest.raises(UndefinedMetric, match="too few independent groups"):
            paired_difference("auroc", [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [True, False, False])
        with pytest.raises(ValueError, match="NaN"):
            paired_difference("auroc", [1.0, math.nan], [1.0, 2.0], [True, False])
        with pytest.raises(ValueError, match="level"):
            paired_difference("auroc", [1.0, 2.0], [1.0, 2.0], [True, False], level=1.0)


class TestHolm:
    def test_hand_worked(self) -> None:
        # Sorted 0.005·4 = 0.02; 0.01·3 = 0.03; 0.03·2 = 0.06; 0.04·1 = 0.04, raised to 0.06.
        np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], rtol=1e-12)

    def test_ties_ends_and_nothing(self) -> None:
        # 0.5·2 = 1 and 0.5·1 raised to 1; 0 stays 0.
        np.testing.assert_array_equal(holm([0.5, 0.5]), [1.0, 1.0])
        np.testing.assert_array_equal(holm([1.0, 0.0]), [1.0, 0.0])
        assert holm([]).shape == (0,)
        assert holm([0.03]) == [0.03]

    @pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
    def test_no_p_value(self, bad: float) -> None:
        with pytest.raises(ValueError, match="p_values"):
            holm([0.5, bad])


class TestSmallestDetectableDifference:
    def test_hand_worked(self) -> None:
        # z of 0.975 is 1.959964, z of 0.8 is 0.841621.
        assert smallest_detectable_difference(0.01) == pytest.approx(0.02801585, abs=1e-8)
        # z of 0.95 is 1.644854, power a half adds 0.
        assert smallest_detectable_difference(1.0, level=0.9, power=0.5) == pytest.approx(1.644854, abs=1e-6)

    def test_no_spread_is_no_knowledge(self) -> None:
        with pytest.raises(UndefinedMetric, match="unknown"):
            smallest_detectable_difference(0.0)
        for bad in (-1.0, math.nan):
            with pytest.raises(ValueError, match="standard_error"):
                smallest_detectable_difference(bad)


class TestRankScorers:
    def test_best_and_its_ties(self, populations: tuple[dict[str, FloatArray], BoolArray]) -> None:
        scores, is_ood = populations
        ranked = rank_scorers("auroc", scores, is_ood)
        assert list(ranked) == list(scores)
        assert {name for name, place in ranked.items() if place.best} == {"strong", "twin"}
        assert sum(place.leads for place in ranked.values()) == 1
        for name, place in ranked.items():
            assert place.value == auroc(scores[name], is_ood)
            assert (place.p_value is None) == (place.difference is None) == place.leads
        random = ranked["random"]
        assert random.p_value is not None
        assert random.difference is not None
        # The smallest p-value of three is tripled.
        assert random.p_value == pytest.approx(3 * 2 / 1001)
        assert random.difference.value > 0

    def test_a_metric_where_lower_is_better(
        self, populations: tuple[dict[str, FloatArray], BoolArray]
    ) -> None:
        scores, is_ood = populations
        ranked = rank_scorers("fpr_at_95tpr_id", scores, is_ood)
        assert ranked["strong"].best
        assert not ranked["random"].best
        assert ranked["random"].difference is not None
        assert ranked["random"].difference.value < 0

    def test_equal_values_tie(self, populations: tuple[dict[str, FloatArray], BoolArray]) -> None:
        scores, is_ood = populations
        ranked = rank_scorers("auroc", {"a": scores["strong"], "b": 2 * scores["strong"]}, is_ood)
        assert [place.leads for place in ranked.values()] == [True, False]
        assert all(place.best for place in ranked.values())

    def test_many_scorers_get_draws_enough(
        self, populations: tuple[dict[str, FloatArray], BoolArray]
    ) -> None:
        scores, is_ood = populations
        many = {"strong": scores["strong"]} | {str(i): np.roll(scores["random"], i) for i in range(30)}
        ranked = rank_scorers("auroc", many, is_ood, draws=10)
        # 4 · 30 / 0.05
        assert {place.difference.draws for place in ranked.values() if place.difference} == {2400}
        assert [name for name, place in ranked.items() if place.best] == ["strong"]

    def test_one_scorer_and_none(self, populations: tuple[dict[str, FloatArray], BoolArray]) -> None:
        scores, is_ood = populations
        (only,) = rank_scorers("auroc", {"only": scores["weak"]}, is_ood).values()
        assert only.best
        assert only.leads
        with pytest.raises(ValueError, match="no scorers"):
            rank_scorers("auroc", {}, is_ood)
