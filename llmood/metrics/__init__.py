"""Pure functions on arrays, and how sure they are.

Higher scores are more OOD, or less sure; OOD samples, or wrong answers, are the positive class.
"""

from llmood.metrics.base import Bound, GroupCounts, Metric, metrics_registry, register_metric, resolve_metric
from llmood.metrics.compare import (
    Difference,
    Ranked,
    holm,
    paired_difference,
    rank_scorers,
    smallest_detectable_difference,
)
from llmood.metrics.correlation import spearman
from llmood.metrics.counts import Counts, Ranking
from llmood.metrics.coverage import accuracy_at_coverage, aurac
from llmood.metrics.familiarity import auroc_gap_interval, thirds
from llmood.metrics.graded import prr, prr_interval
from llmood.metrics.inputs import UndefinedMetric
from llmood.metrics.interval import Interval, bootstrap_interval, bootstrap_intervals
from llmood.metrics.loss import mean_interval, mean_loss, metric_loss
from llmood.metrics.ood import auroc, average_precision, fpr_at_tpr, precision_at_prevalence
from llmood.metrics.pooled import PooledResamples, resamples_for
from llmood.metrics.rank_interval import spearman_interval
from llmood.metrics.resample import Resamples, metric_draws, resample_weights
from llmood.metrics.selective import (
    ERROR_DETECTION,
    aurc,
    eaurc,
    error_auroc,
    error_detection_metrics,
)
from llmood.metrics.severity import score_shift, score_shift_interval

__all__ = [
    "ERROR_DETECTION",
    "Bound",
    "Counts",
    "Difference",
    "GroupCounts",
    "Interval",
    "Metric",
    "PooledResamples",
    "Ranked",
    "Ranking",
    "Resamples",
    "UndefinedMetric",
    "accuracy_at_coverage",
    "aurac",
    "aurc",
    "auroc",
    "auroc_gap_interval",
    "average_precision",
    "bootstrap_interval",
    "bootstrap_intervals",
    "eaurc",
    "error_auroc",
    "error_detection_metrics",
    "fpr_at_tpr",
    "holm",
    "mean_interval",
    "mean_loss",
    "metric_draws",
    "metric_loss",
    "metrics_registry",
    "paired_difference",
    "precision_at_prevalence",
    "prr",
    "prr_interval",
    "rank_scorers",
    "register_metric",
    "resample_weights",
    "resamples_for",
    "resolve_metric",
    "score_shift",
    "score_shift_interval",
    "smallest_detectable_difference",
    "spearman",
    "spearman_interval",
    "thirds",
]
