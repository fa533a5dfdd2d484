"""Each metric against values worked by hand. Higher scores are more OOD."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics

from llmood.errors import UnknownNameError
from llmood.metrics import (
    UndefinedMetric,
    auroc,
    average_precision,
    fpr_at_tpr,
    metrics_registry,
    precision_at_prevalence,
    resolve_metric,
)

OOD_METRICS = [
    "auroc",
    "aupr_ood",
    "aupr_id",
    "fpr_at_95tpr_ood",
    "fpr_at_95tpr_id",
    "precision_at_1pct",
    "precision_at_5pct",
]
# Falling: 4 ood | 3 id, ood | 2 id | 1 id, ood
SCORES = [4.0, 3.0, 3.0, 2.0, 1.0, 1.0]
IS_OOD = [True, False, True, False, False, True]


def test_auroc_counts_a_tie_as_half() -> None:
    # OOD 4 beats 3 ID; OOD 3 ties one and beats two: 2.5; OOD 1 ties one: 0.5. Of 9 pairs: 6.
    assert auroc(SCORES, IS_OOD) == 6 / 9


def test_average_precision_of_ood() -> None:
    # Thresholds 4: 1/1 recall 1/3; 3: 2/3 recall 2/3; 2: no recall gained; 1: 3/6 recall 1.
    assert average_precision(SCORES, IS_OOD) == pytest.approx((1 + 2 / 3 + 3 / 6) / 3, abs=1e-15)


def test_average_precision_of_id_ranks_from_below() -> None:
    # From below, 1: 1 of 2 is ID; 2: 2 of 3; 3: 3 of 5; 4: nothing gained.
    value = average_precision(SCORES, IS_OOD, positive="id")
    assert value == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3, abs=1e-15)


def test_fpr_takes_the_first_threshold_that_reaches_the_rate() -> None:
    # 60 % of 3 OOD is 2 of them: threshold 3, where 1 of 3 ID is flagged.
    assert fpr_at_tpr(SCORES, IS_OOD, tpr=0.6) == 1 / 3
    # 95 % is all 3: threshold 1, where everything is flagged.
    assert fpr_at_tpr(SCORES, IS_OOD) == 1.0
    # Keeping 2 of 3 ID accepts what scores at most 2: 1 of 3 OOD.
    assert fpr_at_tpr(SCORES, IS_OOD, tpr=0.6, positive="id") == 1 / 3
    # Keeping all 3 accepts what scores at most 3: 2 of 3 OOD.
    assert fpr_at_tpr(SCORES, IS_OOD, positive="id") == 2 / 3


def test_19_of_20_reach_95_percent() -> None:
    # 19 OOD at 2, ID at 1, the last OOD at 0: 19/20 is enough, so no ID is flagged.
    scores = [2.0] * 19 + [0.0] + [1.0] * 5
    is_ood = [True] * 20 + [False] * 5
    assert fpr_at_tpr(scores, is_ood) == 0.0
    # 18 of 20 is not.
    assert fpr_at_tpr([2.0] * 18 + [0.0] * 2 + [1.0] * 5, is_ood) == 1.0


# In floats 0.55 · 100, 0.07 · 100 and 0.28 · 50 all come out above the whole number that they are.
@pytest.mark.parametrize(
    ("percent", "n"), [(95, 20), (95, 140), (95, 1000), (95, 99980), (55, 100), (7, 100), (28, 50)]
)
def test_the_rate_is_met_in_counts_not_in_floats(percent: int, n: int) -> None:
    enough = n * percent // 100
    scores = np.r_[np.full(enough, 2.0), np.zeros(n - enough), 1.0]
    is_ood = np.r_[np.ones(n, dtype=bool), False]
    assert fpr_at_tpr(scores, is_ood, percent / 100) == 0.0
    scores[0] = 0.0
    assert fpr_at_tpr(scores, is_ood, percent / 100) == 1.0


def test_the_two_positive_classes_give_different_rates() -> None:
    # One OOD of 10 hides below all ID: catching 95 % of OOD flags all ID, keeping 95 % of ID accepts 1 OOD.
    scores = [0.0] + [2.0] * 9 + [1.0] * 10
    is_ood = [True] * 10 + [False] * 10
    assert fpr_at_tpr(scores, is_ood, positive="ood") == 1.0
    assert fpr_at_tpr(scores, is_ood, positive="id") == 0.1


def test_precision_at_a_deployed_prevalence() -> None:
    # 19 of 20 OOD are caught at a threshold that flags 2 of 10 ID: TPR 0.95, FPR 0.2.
    scores = [2.0] * 19 + [0.0] + [3.0] * 2 + [1.0] * 8
    is_ood = [True] * 20 + [False] * 10
    # 0.01·0.95 / (0.01·0.95 + 0.99·0.2) = 0.0095 / 0.2075
    assert precision_at_prevalence(scores, is_ood) == pytest.approx(0.0095 / 0.2075, abs=1e-15)
    # 0.05·0.95 / (0.05·0.95 + 0.95·0.2) = 0.0475 / 0.2375 = 0.2
    assert precision_at_prevalence(scores, is_ood, prevalence=0.05) == pytest.approx(0.2, abs=1e-15)


def test_precision_does_not_depend_on_the_mix_of_the_test_set() -> None:
    scores, is_ood = np.array(SCORES), np.array(IS_OOD)
    more_ood = np.r_[scores, np.tile(scores[is_ood], 9)]
    labels = np.r_[is_ood, np.ones(27, dtype=bool)]
    assert precision_at_prevalence(more_ood, labels) == precision_at_prevalence(scores, is_ood)


def test_trapezoid_trap() -> None:
    # A coin flip: half of either population at 1, half at 0, 20 OOD of 190. Precision is 20/190 at both
    # thresholds; a trapezoid that starts at precision 1 adds half of a quarter of what is missing to 1.
    scores = [1.0] * 10 + [0.0] * 10 + [1.0] * 85 + [0.0] * 85
    is_ood = [True] * 20 + [False] * 170
    prevalence = 20 / 190
    assert average_precision(scores, is_ood) == pytest.approx(prevalence, abs=1e-15)
    precision, recall, _ = sklearn.metrics.precision_recall_curve(is_ood, scores)
    trapezoid = 0.5 * (1 + prevalence) / 2 + 0.5 * prevalence
    assert sklearn.metrics.auc(recall, precision) == pytest.approx(trapezoid)
    assert trapezoid > 3 * prevalence


def test_constant_score() -> None:
    scores, is_ood = [7.0] * 10, [True] * 4 + [False] * 6
    assert auroc(scores, is_ood) == 0.5
    assert average_precision(scores, is_ood) == 0.4
    assert average_precision(scores, is_ood, positive="id") == 0.6
    assert fpr_at_tpr(scores, is_ood) == fpr_at_tpr(scores, is_ood, positive="id") == 1.0
    assert precision_at_prevalence(scores, is_ood) == pytest.approx(0.01, abs=1e-15)


def test_perfect_and_reversed() -> None:
    is_ood = [False, False, True, True]
    best = {
        name: metric([1.0, 2.0, 3.0, 4.0], is_ood) for name, metric in metrics_registry if name in OOD_METRICS
    }
    assert best == {name: 0.0 if name.startswith("fpr") else 1.0 for name in sorted(OOD_METRICS)}
    assert auroc([4.0, 3.0, 2.0, 1.0], is_ood) == 0.0
    # Reversed, precision where OOD appears is 1/3 and 2/4.
    assert average_precision([4.0, 3.0, 2.0, 1.0], is_ood) == pytest.approx((1 / 3 + 1 / 2) / 2, abs=1e-15)


def test_infinities_rank_and_zeros_tie() -> None:
    assert auroc([math.inf, -math.inf], [True, False]) == 1.0
    assert auroc([math.inf, math.inf, -math.inf], [True, False, False]) == 0.75
    assert auroc([0.0, -0.0], [True, False]) == 0.5


def test_float32_and_integer_scores() -> None:
    assert auroc(np.array(SCORES, dtype=np.float32), IS_OOD) == auroc(
        np.array(SCORES, dtype=np.int64), IS_OOD
    )


@pytest.mark.parametrize("name", OOD_METRICS)
class TestEveryMetric:
    def test_is_registered_with_what_a_reader_needs(self, name: str) -> None:
        metric = resolve_metric(name)
        assert metric.id == name
        assert metric.question == "ood_detection"
        assert metric.bounds == (0.0, 1.0)
        assert metric.higher_is_better is not name.startswith("fpr")
        assert metric.positive_class == ("id" if name.endswith("_id") else "ood")
        assert metric.description
        assert "\n" not in metric.description

    def test_nan_is_never_ranked(self, name: str) -> None:
        with pytest.raises(ValueError, match="1 NaN: drop and count the unscored") as caught:
            resolve_metric(name)([1.0, math.nan], [True, False])
        assert not isinstance(caught.value, UndefinedMetric)

    @pytest.mark.parametrize(
        ("is_ood", "reason"),
        [
            ([False, False], "no OOD samples: only ID was scored"),
            ([True, True], "no ID samples: only OOD was scored"),
            ([], "no samples"),
        ],
    )
    def test_one_class_has_a_reason(self, name: str, is_ood: list[bool], reason: str) -> None:
        with pytest.raises(UndefinedMetric) as caught:
            resolve_metric(name)([1.0, 2.0][: len(is_ood)], is_ood)
        assert caught.value.reason == str(caught.value) == reason

    @pytest.mark.parametrize(
        ("scores", "is_ood", "message"),
        [
            ([1.0, 2.0], [True], "differ in shape"),
            ([[1.0, 2.0]], [[True, False]], r"scores must have shape \(n,\)"),
            ([1.0, 2.0], [1, 0], "is_ood must be boolean"),
        ],
    )
    def test_malformed_input(self, name: str, scores: list[float], is_ood: list[bool], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            resolve_metric(name)(scores, is_ood)


def test_parameters_out_of_range() -> None:
    with pytest.raises(ValueError, match="tpr must be above 0"):
        fpr_at_tpr(SCORES, IS_OOD, tpr=0.0)
    with pytest.raises(ValueError, match="tpr must be above 0"):
        precision_at_prevalence(SCORES, IS_OOD, tpr=1.1)
    with pytest.raises(ValueError, match="prevalence must be above 0"):
        precision_at_prevalence(SCORES, IS_OOD, prevalence=math.nan)
    with pytest.raises(ValueError, match="positive must be 'ood' or 'id', not 'OOD'"):
        average_precision(SCORES, IS_OOD, positive="OOD")  # type: ignore[arg-type]


def test_an_unknown_metric_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'auroc'"):
        resolve_metric("aurok")


def test_importing_metrics_is_light() -> None:
    heavy = {"scipy", "sklearn", "pandas", "torch"}
    code = f"import sys, llmood.metrics; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
