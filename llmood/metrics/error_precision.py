"""Average precision of retrieving the wrong answers, from among the right ones."""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from llmood.metrics.base import metrics_registry
from llmood.metrics.inputs import check_judged
from llmood.metrics.ood import average_precision
from llmood.metrics.selective import ERROR_DETECTION, of_errors


def error_average_precision(uncertainty: ArrayLike, correct: ArrayLike) -> float:
    """`average_precision` with the wrong answers as the positive class; a constant score has the error rate.

    Args:
        uncertainty: (n,), higher is less sure.
        correct: (n,) bool.

    Raises:
        ValueError: NaN, wrong shapes.
        UndefinedMetric: the answers are all right or all wrong.
    """
    values, is_wrong = check_judged(uncertainty, correct)
    return average_precision(values, is_wrong)


metrics_registry.add(
    "aupr_wrong",
    replace(
        metrics_registry.get("aupr_ood"),
        id="aupr_wrong",
        question=ERROR_DETECTION,
        function=of_errors(error_average_precision),
        positive_class="wrong",
        pooled=True,
        description="average precision of retrieving wrong answers from among right ones",
        title="AUPR, wrong positive",
        order=101,
    ),
)
