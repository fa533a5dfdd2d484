"""Pure functions on arrays, and how sure they are.

Higher scores are more OOD, or less sure; OOD samples, or wrong answers, are the positive class.
"""

from llmood.metrics.base import Bound, GroupCounts, Metric, metrics_registry, register_metric, resolve_metric
from llmood.metrics.calibration import (
    ece_mass_15,
    ece_width_15,
    mce_width_15,
    mean_confidence_gap,
    overconfidence,
    underconfidence,
)
from llmood.metrics.calibration_band import Band, perfect_calibration_band
from llmood.metrics.calibration_base import CALIBRATION, CalibrationMetric, calibration_metrics
from llmood.metrics.calibration_change import calibration_changes
from llmood.metrics.calibration_interval import Estimate, calibration_estimates
from llmood.metrics.calibration_scores import (
    answer_losses,
    brier,
    brier_reliability,
    brier_resolution,
    brier_uncertainty,
    log_loss,
)
from llmood.metrics.calibration_slope import calibration_intercept, calibration_slope
from llmood.metrics.calibration_smooth import smooth_ece
from llmood.metrics.compare import (
    Difference,
    Ranked,
    holm,
    paired_difference,
    rank_scorers,
    smallest_detectable_difference,
)
from llmood.metrics.correlation import pearson, spearman
from llmood.metrics.counts import Counts, Ranking
from llmood.metrics.coverage import accuracy_at_coverage, aurac
from llmood.metrics.familiarity import auroc_gap_interval, thirds
from llmood.metrics.grade_rank import grade_means, grade_rank_intervals, rank_with_grade
from llmood.metrics.graded import prr, prr_interval
from llmood.metrics.inputs import UndefinedMetric
from llmood.metrics.interval import Interval, bootstrap_interval, bootstrap_intervals
from llmood.metrics.lift import raulc, spearman_accuracy
from llmood.metrics.loss import mean_bootstrap, mean_interval, mean_loss, metric_loss
from llmood.metrics.loss_correlation import loss_correlations
from llmood.metrics.ood import auroc, average_precision, fpr_at_tpr, precision_at_prevalence
from llmood.metrics.pooled import PooledResamples, resamples_for
from llmood.metrics.rank_interval import spearman_interval
from llmood.metrics.reliability import ReliabilityBin, reliability_curve
from llmood.metrics.resample import Resamples, metric_draws, resample_weights
from llmood.metrics.selective import (
    ERROR_DETECTION,
    aurc,
    eaurc,
    error_auroc,
    error_detection_metrics,
)
from llmood.metrics.severity import score_shift, score_shift_interval
from llmood.metrics.trust import Trust, trust_above

__all__ = [
    "CALIBRATION",
    "ERROR_DETECTION",
    "Band",
    "Bound",
    "CalibrationMetric",
    "Counts",
    "Difference",
    "Estimate",
    "GroupCounts",
    "Interval",
    "Metric",
    "PooledResamples",
    "Ranked",
    "Ranking",
    "ReliabilityBin",
    "Resamples",
    "Trust",
    "UndefinedMetric",
    "accuracy_at_coverage",
    "answer_losses",
    "aurac",
    "aurc",
    "auroc",
    "auroc_gap_interval",
    "average_precision",
    "bootstrap_interval",
    "bootstrap_intervals",
    "brier",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
    "calibration_changes",
    "calibration_estimates",
    "calibration_intercept",
    "calibration_metrics",
    "calibration_slope",
    "eaurc",
    "ece_mass_15",
    "ece_width_15",
    "error_auroc",
    "error_detection_metrics",
    "fpr_at_tpr",
    "grade_means",
    "grade_rank_intervals",
    "holm",
    "log_loss",
    "loss_correlations",
    "mce_width_15",
    "mean_bootstrap",
    "mean_confidence_gap",
    "mean_interval",
    "mean_loss",
    "metric_draws",
    "metric_loss",
    "metrics_registry",
    "overconfidence",
    "paired_difference",
    "pearson",
    "perfect_calibration_band",
    "precision_at_prevalence",
    "prr",
    "prr_interval",
    "rank_scorers",
    "rank_with_grade",
    "raulc",
    "register_metric",
    "reliability_curve",
    "resample_weights",
    "resamples_for",
    "resolve_metric",
    "score_shift",
    "score_shift_interval",
    "smallest_detectable_difference",
    "smooth_ece",
    "spearman",
    "spearman_accuracy",
    "spearman_interval",
    "thirds",
    "trust_above",
    "underconfidence",
]
