"""How well a score separates OOD from ID. Higher scores are more OOD; ties are counted, never broken.

All four functions take `scores`, a float array (n,) whose infinities rank, and `is_ood`, a bool array (n,).
They raise ValueError for NaN and wrong shapes, and `UndefinedMetric` where a population is empty.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.base import Bound, GroupCounts, register_metric
from llmood.metrics.counts import Counts, Ranking
from llmood.metrics.exact import perfect_precision_bound, rule_of_three, zero_rate_bound
from llmood.metrics.inputs import FloatArray, IntArray, Population, check_share

OOD_DETECTION = "ood_detection"


def _toward(counts: Counts, positive: Population) -> Counts:
    if positive not in ("ood", "id"):
        raise ValueError(f"positive must be 'ood' or 'id', not {positive!r}")
    return counts if positive == "ood" else counts.flipped()


def _auroc(counts: Counts) -> FloatArray:
    # Twice the won pairs is an integer, so the sum is exact whatever the order of the rows.
    twice_won = (np.diff(counts.fp) * (counts.tp[..., 1:] + counts.tp[..., :-1])).sum(axis=-1)
    area: FloatArray = twice_won / (2.0 * counts.positives * counts.negatives)
    return area


def _auroc_bound(counts: Counts, groups: GroupCounts, level: float) -> Bound | None:
    # The smaller population's groups make that many disjoint, hence independent, pairs, all ranked one way.
    slack = rule_of_three(min(groups), level)
    value = float(_auroc(counts))
    if value == 1.0:
        return Bound(1.0 - slack, 1.0, "rule_of_three")
    return Bound(0.0, slack, "rule_of_three") if value == 0.0 else None


@register_metric(
    "auroc",
    question=OOD_DETECTION,
    higher_is_better=True,
    positive_class="ood",
    description="chance that an OOD sample scores above an ID sample, a tie counting half",
    title="AUROC",
    order=0,
    vectorised=_auroc,
    exact=_auroc_bound,
)
def auroc(scores: ArrayLike, is_ood: ArrayLike) -> float:
    """Area under the ROC curve by mid-ranks: P(OOD > ID) + ½ P(OOD = ID).

    Source: Hanley and McNeil, Radiology 143 (1982). A constant score has 0.5.
    """
    return float(_auroc(Ranking(scores, is_ood).counts()))


def _average_precision(counts: Counts, positive: Population) -> FloatArray:
    side = _toward(counts, positive)
    tp = side.tp[..., 1:]
    # A resample may have nobody at the first thresholds; their step in tp is 0, so any precision will do.
    flagged = np.maximum(tp + side.fp[..., 1:], 1)
    area: FloatArray = (np.diff(side.tp) * (tp / flagged)).sum(axis=-1) / side.positives
    return area


def _average_precision_bound(
    counts: Counts, groups: GroupCounts, level: float, *, positive: Population
) -> Bound | None:
    if float(_average_precision(counts, positive)) < 1.0:
        return None
    side = _toward(counts, positive)
    n_negative, n_positive = groups if positive == "ood" else reversed(groups)
    low = perfect_precision_bound(n_positive, n_negative, float(side.negatives / side.positives), level)
    return Bound(low, 1.0, "clopper_pearson")


def average_precision(scores: ArrayLike, is_ood: ArrayLike, positive: Population = "ood") -> float:
    """Average precision: Σ over thresholds of (recall gained) × (precision there); never a trapezoid.

    Tied scores share one threshold, as in scikit-learn. A constant score has the prevalence of the positive
    class.

    Args:
        scores: (n,), higher is more OOD.
        is_ood: (n,) bool.
        positive: the class to retrieve; "id" ranks by −scores.
    """
    return float(_average_precision(Ranking(scores, is_ood).counts(), positive))


def _operating_point(counts: Counts, tpr: float) -> tuple[IntArray, IntArray]:
    # In counts, and with slack: 0.55 · 100 is a little more than 55 in binary, and 55 of 100 must still do.
    required = np.ceil(tpr * counts.positives - 1e-9)
    first = (counts.tp >= required[..., None]).argmax(axis=-1)[..., None]
    tp = np.take_along_axis(counts.tp, first, axis=-1)[..., 0]
    return tp, np.take_along_axis(counts.fp, first, axis=-1)[..., 0]


def _fpr_at_tpr(counts: Counts, tpr: float, positive: Population) -> FloatArray:
    side = _toward(counts, positive)
    rate: FloatArray = _operating_point(side, tpr)[1] / side.negatives
    return rate


def _rate_bound(rate: float, groups: int, level: float) -> tuple[float, float] | None:
    slack = zero_rate_bound(groups, level)
    if rate == 0.0:
        return 0.0, slack
    return (1.0 - slack, 1.0) if rate == 1.0 else None


def _fpr_bound(
    counts: Counts, groups: GroupCounts, level: float, *, tpr: float, positive: Population
) -> Bound | None:
    n_negative = groups.n_negative if positive == "ood" else groups.n_positive
    ends = _rate_bound(float(_fpr_at_tpr(counts, tpr, positive)), n_negative, level)
    return ends and Bound(*ends, "clopper_pearson")


def fpr_at_tpr(
    scores: ArrayLike, is_ood: ArrayLike, tpr: float = 0.95, positive: Population = "ood"
) -> float:
    """The smallest false positive rate at a threshold whose true positive rate is at least `tpr`.

    Nothing is interpolated: a rate that no threshold has is never reported.

    Args:
        scores: (n,), higher is more OOD.
        is_ood: (n,) bool.
        tpr: the rate to reach, in (0, 1].
        positive: "ood" gives the share of ID flagged when `tpr` of OOD is caught; "id" the share of OOD
            accepted when `tpr` of ID is kept. The two are different numbers.
    """
    check_share(tpr, "tpr")
    return float(_fpr_at_tpr(Ranking(scores, is_ood).counts(), tpr, positive))


def _bayes(prevalence: float, tpr: FloatArray | float, fpr: FloatArray | float) -> FloatArray:
    caught = np.multiply(prevalence, tpr)
    precision: FloatArray = caught / (caught + np.multiply(1.0 - prevalence, fpr))
    return precision


def _precision_at_prevalence(counts: Counts, prevalence: float, tpr: float) -> FloatArray:
    tp, fp = _operating_point(counts, tpr)
    return _bayes(prevalence, tp / counts.positives, fp / counts.negatives)


def _precision_bound(
    counts: Counts, groups: GroupCounts, level: float, *, prevalence: float, tpr: float
) -> Bound | None:
    tp, fp = _operating_point(counts, tpr)
    ends = _rate_bound(float(fp / counts.negatives), groups.n_negative, level)
    if ends is None:
        return None
    reached = float(tp / counts.positives)
    # More false alarms, less precision: the ends of the rate swap.
    low, high = (float(_bayes(prevalence, reached, rate)) for rate in reversed(ends))
    return Bound(low, high, "clopper_pearson")


def precision_at_prevalence(
    scores: ArrayLike, is_ood: ArrayLike, prevalence: float = 0.01, tpr: float = 0.95
) -> float:
    """The precision of the flag where `prevalence` of the traffic is OOD: π·TPR / (π·TPR + (1 − π)·FPR).

    The operating point is that of `fpr_at_tpr(positive="ood")`: the highest threshold that catches at least
    `tpr` of the OOD samples. The mix of the test set doesn't enter, so that a balanced test set can't
    flatter.

    Args:
        scores: (n,), higher is more OOD.
        is_ood: (n,) bool.
        prevalence: the share of OOD where the detector is used, in (0, 1].
        tpr: the rate to reach, in (0, 1].
    """
    check_share(prevalence, "prevalence")
    check_share(tpr, "tpr")
    return float(_precision_at_prevalence(Ranking(scores, is_ood).counts(), prevalence, tpr))


def _register_parametrised() -> None:
    sides: tuple[tuple[Population, str, str], ...] = (
        ("ood", "ID flagged when 95 % of OOD is caught", "ID"),
        ("id", "OOD accepted when 95 % of ID is kept", "OOD"),
    )
    for place, (side, fpr_line, other) in enumerate(sides):
        register_metric(
            f"aupr_{side}",
            question=OOD_DETECTION,
            higher_is_better=True,
            positive_class=side,
            description=f"average precision of retrieving {side.upper()} from among {other}",
            title=f"AUPR, {side.upper()} positive",
            order=20 + place,
            depends_on_prevalence=True,
            vectorised=partial(_average_precision, positive=side),
            exact=partial(_average_precision_bound, positive=side),
        )(partial(average_precision, positive=side))
        register_metric(
            f"fpr_at_95tpr_{side}",
            question=OOD_DETECTION,
            higher_is_better=False,
            positive_class=side,
            description=f"share of {fpr_line}",
            title=fpr_line.replace(" %", "\u00a0%"),
            unit="percent",
            order=10 + place,
            vectorised=partial(_fpr_at_tpr, tpr=0.95, positive=side),
            exact=partial(_fpr_bound, tpr=0.95, positive=side),
        )(partial(fpr_at_tpr, tpr=0.95, positive=side))
    for percent in (1, 5):
        share = percent / 100
        register_metric(
            f"precision_at_{percent}pct",
            question=OOD_DETECTION,
            higher_is_better=True,
            positive_class="ood",
            description=f"precision at 95 % of OOD caught, were {percent} % of the traffic OOD",
            title=f"Precision where {percent}\u00a0% of traffic is OOD",
            unit="percent",
            order=30 + percent,
            vectorised=partial(_precision_at_prevalence, prevalence=share, tpr=0.95),
            exact=partial(_precision_bound, prevalence=share, tpr=0.95),
        )(partial(precision_at_prevalence, prevalence=share))


_register_parametrised()
