"""Does uncertainty tell wrong answers from right ones? Areas under the risk–coverage curve, exact under ties.

`uncertainty` is a float array (n,), higher is less sure, infinities rank; `correct` a bool array (n,). NaN and wrong
shapes raise ValueError; answers that are all right or all wrong, `UndefinedMetric`. Registered metrics are functions
of (uncertainty, is_wrong), as a scorer is meant to be high for the wrong answers.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.base import Bound, GroupCounts, Metric, MetricFunction, metrics_registry, register_metric
from llmood.metrics.counts import Counts, Ranking
from llmood.metrics.exact import perfect_selection_bound
from llmood.metrics.inputs import FloatArray, IntArray, check_errors, check_judged
from llmood.metrics.ood import auroc
from llmood.metrics.risk_coverage import oracle_area, risk_coverage_area

ERROR_DETECTION = "error_detection"


def accepted_and_wrong(counts: Counts) -> tuple[IntArray, IntArray]:
    """How many answers are accepted, and how many of those are wrong, from the most confident on: (..., T) each."""
    from_below = counts.flipped()
    return from_below.tp + from_below.fp, from_below.fp


def judged_counts(uncertainty: ArrayLike, correct: ArrayLike) -> Counts:
    """The counts that every metric of errors is a function of, the wrong answers being the positives."""
    values, is_wrong = check_judged(uncertainty, correct)
    return Ranking(values, is_wrong).counts()


def of_errors(function: MetricFunction) -> MetricFunction:
    """The function of (uncertainty, correct) as one of (uncertainty, is_wrong), which the registry lists."""

    def of_wrong(uncertainty: ArrayLike, is_wrong: ArrayLike) -> float:
        return function(uncertainty, ~check_errors(is_wrong))

    return of_wrong


def _aurc(counts: Counts) -> FloatArray:
    return risk_coverage_area(*accepted_and_wrong(counts))


def _eaurc(counts: Counts) -> FloatArray:
    # The oracle's area is computed another way, so that rounding could leave a perfect order just below 0.
    excess: FloatArray = np.maximum(_aurc(counts) - oracle_area(counts.negatives, counts.positives), 0.0)
    return excess


def _prr(counts: Counts) -> FloatArray:
    # A random order has the error rate as its risk at every coverage, hence as its area.
    chance = counts.positives / (counts.positives + counts.negatives)
    best = oracle_area(counts.negatives, counts.positives)
    ratio: FloatArray = np.minimum((chance - _aurc(counts)) / (chance - best), 1.0)
    return ratio


def _perfect(counts: Counts) -> bool:
    return bool(((counts.tp == counts.positives) & (counts.fp == 0)).any())


def _eaurc_bound(counts: Counts, groups: GroupCounts, level: float) -> Bound | None:
    if not _perfect(counts):
        return None
    error_rate = float(counts.positives / (counts.positives + counts.negatives))
    excess, _ = perfect_selection_bound(groups.n_negative, groups.n_positive, error_rate, level)
    return Bound(0.0, excess, "clopper_pearson")


def _prr_bound(counts: Counts, groups: GroupCounts, level: float) -> Bound | None:
    if not _perfect(counts):
        return None
    error_rate = float(counts.positives / (counts.positives + counts.negatives))
    _, ratio = perfect_selection_bound(groups.n_negative, groups.n_positive, error_rate, level)
    return Bound(ratio, 1.0, "clopper_pearson")


def aurc(uncertainty: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk–coverage curve: (1/n) Σᵢ E[errors among the i most confident] / i; lower is better.

    The expectation is over the order of tied scores: a constant score has the error rate. Source: Geifman, Uziel and
    El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers" (ICLR 2019).
    """
    return float(_aurc(judged_counts(uncertainty, correct)))


def eaurc(uncertainty: ArrayLike, correct: ArrayLike) -> float:
    """Excess AURC: what `aurc` has over the best order of these answers, right before wrong; 0 is perfect.

    Source: Geifman, Uziel and El-Yaniv (ICLR 2019), with the best order's area exact rather than approximated.
    """
    return float(_eaurc(judged_counts(uncertainty, correct)))


def error_auroc(uncertainty: ArrayLike, correct: ArrayLike) -> float:
    """Chance that a wrong answer is less sure than a right one, a tie counting half (see `llmood.metrics.auroc`)."""
    values, is_wrong = check_judged(uncertainty, correct)
    return auroc(values, is_wrong)


def binary_prr(uncertainty: ArrayLike, correct: ArrayLike) -> float:
    """`prr` of answers that are right or wrong."""
    return float(_prr(judged_counts(uncertainty, correct)))


def error_detection_metrics() -> list[Metric]:
    """The metrics of this question: AUROC with wrong answers positive, then those of the registry.

    `auroc` is registered once, for OOD detection; here it keeps its id and changes its question.
    """
    detects = replace(
        metrics_registry.get("auroc"),
        question=ERROR_DETECTION,
        function=of_errors(error_auroc),
        positive_class="wrong",
        pooled=True,
        description="chance that a wrong answer is less sure than a right one, a tie counting half",
    )
    return [detects, *(metric for _, metric in metrics_registry if metric.question == ERROR_DETECTION)]


_register = partial(register_metric, question=ERROR_DETECTION, positive_class="wrong", pooled=True)
_register(
    "aurc",
    higher_is_better=False,
    description="error rate among the i most confident answers, averaged over i",
    title="AURC",
    order=110,
    depends_on_prevalence=True,
    vectorised=_aurc,
)(of_errors(aurc))
_register(
    "eaurc",
    higher_is_better=False,
    description="AURC less that of the best order of these answers",
    title="Excess AURC",
    order=111,
    depends_on_prevalence=True,
    vectorised=_eaurc,
    exact=_eaurc_bound,
)(of_errors(eaurc))
_register(
    "prr",
    higher_is_better=True,
    description="prediction rejection ratio: 0 for a random order, 1 for right answers before wrong ones",
    title="PRR",
    order=100,
    bounds=(-np.inf, 1.0),
    vectorised=_prr,
    exact=_prr_bound,
)(of_errors(binary_prr))
