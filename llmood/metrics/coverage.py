"""How accurate the answers are that remain when the least sure are left out; exact under ties, as `selective`."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.base import Bound, GroupCounts, register_metric
from llmood.metrics.counts import Counts
from llmood.metrics.exact import zero_rate_bound
from llmood.metrics.inputs import FloatArray, IntArray, check_share
from llmood.metrics.risk_coverage import expected_risk
from llmood.metrics.selective import ERROR_DETECTION, accepted_and_wrong, judged_counts, of_errors

COVERAGES = np.linspace(0.1, 1.0, 20)  # those that the source of AURAC sums over


def _wanted(total: IntArray, coverages: FloatArray) -> IntArray:
    """How many answers are accepted, (...) totals and (C,) coverages to (..., C); one at least."""
    # In counts, and with slack: 0.55 · 100 is a little more than 55 in binary.
    wanted: IntArray = np.maximum(np.ceil(total[..., None] * coverages - 1e-9), 1).astype(np.int64)
    return wanted


def _accuracies(counts: Counts, coverages: FloatArray) -> FloatArray:
    accepted, wrong = accepted_and_wrong(counts)
    wanted = _wanted(accepted[..., -1], coverages)
    return 1.0 - expected_risk(accepted, wrong, wanted) / wanted


def _accuracy(counts: Counts, coverage: float) -> FloatArray:
    accuracy: FloatArray = _accuracies(counts, np.array([coverage]))[..., 0]
    return accuracy


def _accuracy_bound(counts: Counts, groups: GroupCounts, level: float, *, coverage: float) -> Bound | None:
    value = float(_accuracy(counts, coverage))
    if value not in (0.0, 1.0):
        return None
    # The accepted are all of one kind; of that kind's groups, as many as its samples were accepted.
    kind, of_kind = (
        (groups.n_negative, counts.negatives) if value == 1.0 else (groups.n_positive, counts.positives)
    )
    share = float(_wanted(counts.negatives + counts.positives, np.array([coverage]))[0] / of_kind)
    slack = zero_rate_bound(max(1, int(kind * share)), level)
    ends = (1.0 - slack, 1.0) if value == 1.0 else (0.0, slack)
    return Bound(*ends, "clopper_pearson")


def accuracy_at_coverage(uncertainty: ArrayLike, correct: ArrayLike, coverage: float = 0.8) -> float:
    """The expected share of right answers among the ⌈coverage · n⌉ most confident.

    Where the last accepted ones tie with others, any of the ties may be accepted.

    Args:
        uncertainty: (n,), higher is less sure.
        correct: (n,) bool.
        coverage: the share of answers that are given, in (0, 1].
    """
    check_share(coverage, "coverage")
    return float(_accuracy(judged_counts(uncertainty, correct), coverage))


def _aurac(counts: Counts) -> FloatArray:
    area: FloatArray = _accuracies(counts, COVERAGES).mean(axis=-1)
    return area


def aurac(uncertainty: ArrayLike, correct: ArrayLike) -> float:
    """Area under the rejection–accuracy curve: the mean of `accuracy_at_coverage` over 20 coverages from 0.1 to 1.

    Source: Farquhar et al., "Detecting hallucinations in large language models using semantic entropy" (Nature 630,
    2024). The published code sums accuracy × step, which leaves right answers alone at 0.947; the mean has them at 1.
    """
    return float(_aurac(judged_counts(uncertainty, correct)))


_register = partial(
    register_metric,
    question=ERROR_DETECTION,
    positive_class="wrong",
    higher_is_better=True,
    depends_on_prevalence=True,
    pooled=True,
)
_register(
    "aurac",
    description="accuracy among the most confident answers, averaged over coverages from 10 % to all",
    title="AURAC",
    order=112,
    vectorised=_aurac,
)(of_errors(aurac))
for _percent in (50, 80, 90):
    _register(
        f"accuracy_at_{_percent}pct_coverage",
        description=f"accuracy of the {_percent} % of answers that are most confident",
        title=f"Accuracy at {_percent}\u00a0% coverage",
        unit="percent",
        order=120 + _percent,
        vectorised=partial(_accuracy, coverage=_percent / 100),
        exact=partial(_accuracy_bound, coverage=_percent / 100),
    )(of_errors(partial(accuracy_at_coverage, coverage=_percent / 100)))
