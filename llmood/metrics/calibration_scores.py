"""Proper scores of confidences: the Brier score, its three parts, and the log loss. Inputs as in `calibration`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.calibration_base import Confidences, Resampled, labelled, register_calibration
from llmood.metrics.calibration_bins import by_mass
from llmood.metrics.inputs import FloatArray, UndefinedMetric


def brier(confidence: ArrayLike, correct: ArrayLike) -> float:
    """The Brier score, mean (confidence − correct)²; 0 is best, and 0.25 that of a constant ½.

    Of one confidence and one verdict an answer: half of the score that sums over both classes. Source: Brier,
    "Verification of Forecasts Expressed in Terms of Probability" (Monthly Weather Review 78, 1950).
    """
    held, labels = labelled(confidence, correct)
    return float(((held.values - labels) ** 2).mean())


def brier_reliability(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Σ_b n_b/n (mean confidence − accuracy)² in 15 equally full bins: what miscalibration adds to the Brier score.

    Biased upward; the debiased value takes each bin's variance away (Kumar, Liang and Ma, NeurIPS 2019; Ferro and
    Fricker, "A bias-corrected decomposition of the Brier score", QJRMS 138, 2012), which is unbiased for the bins.
    Source: Murphy, "A New Vector Partition of the Probability Score" (Journal of Applied Meteorology 12, 1973).
    """
    return float(_reliability(*labelled(confidence, correct)))


def brier_resolution(confidence: ArrayLike, correct: ArrayLike) -> float:
    """What knowing the confidence takes off the Brier score: uncertainty + reliability − resolution is the score.

    Σ_b n_b/n (accuracy_b − accuracy)², less the variance of confidences within bins, plus twice their covariance with
    correctness there. Those two make the sum exact; they are 0 where each bin holds one confidence. Source: Stephenson,
    Coelho and Jolliffe, "Two Extra Components in the Brier Score Decomposition" (Weather and Forecasting 23, 2008).
    """
    return float(_resolution(*labelled(confidence, correct)))


def brier_uncertainty(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Error rate times accuracy: the Brier score of the best constant confidence. A fact of the answers alone."""
    _, labels = labelled(confidence, correct)
    return float(labels.mean() * (1.0 - labels.mean()))


def log_loss(confidence: ArrayLike, correct: ArrayLike) -> float:
    """−mean log of the probability that was given to what came true, in nats; 0 is best, ln 2 that of a constant ½.

    Nothing is clipped. A right answer of confidence 1 costs nothing, as does a wrong one of confidence 0.

    Raises:
        UndefinedMetric: a wrong answer of confidence exactly 1, or a right one of exactly 0: the loss is infinite.
    """
    held, labels = labelled(confidence, correct)
    impossible = int((np.where(labels == 1.0, held.values, 1.0 - held.values) == 0.0).sum())
    if impossible:
        raise UndefinedMetric(
            f"infinite: {impossible} of {len(held)} answers came out as their confidence, exactly 0 or 1, ruled out"
        )
    return float(answer_losses(held.values, labels).mean())


def debiased_reliability(confidence: ArrayLike, correct: ArrayLike) -> float:
    """`brier_reliability` less the variance of each bin's accuracy; may be below 0."""
    held, labels = labelled(confidence, correct)
    binned = held.once(by_mass)
    return float(binned.share @ (binned.gap(labels) ** 2 - binned.variance(labels)))


def debiased_resolution(confidence: ArrayLike, correct: ArrayLike) -> float:
    """`brier_resolution` less what `debiased_reliability` takes away, so that the sum stays exact."""
    held, labels = labelled(confidence, correct)
    binned = held.once(by_mass)
    return float(_resolution(held, labels) - binned.share @ binned.variance(labels))


def _reliability(held: Confidences, labels: FloatArray) -> FloatArray:
    binned = held.once(by_mass)
    part: FloatArray = binned.gap(labels) ** 2 @ binned.share
    return part


def _resolution(held: Confidences, labels: FloatArray) -> FloatArray:
    binned = held.once(by_mass)
    between = (binned.accuracy(labels) - labels.mean(axis=-1, keepdims=True)) ** 2 @ binned.share
    # How far each confidence is from its bin's mean; its sum over a bin is 0, so that labels need no centring.
    within = held.values - binned.member @ (binned.confidence / binned.size)
    part: FloatArray = between - (within**2).mean() + 2.0 * (labels @ within) / len(held)
    return part


def answer_losses(confidence: FloatArray, labels: FloatArray) -> FloatArray:
    """Of each answer −log of the probability given to what came true, (n,); labels are 1 for right, 0 for wrong."""
    right, losses = labels == 1.0, np.empty_like(confidence)
    losses[right] = -np.log(confidence[right])
    losses[~right] = -np.log1p(-confidence[~right])
    return losses


def _brier_draws(resampled: Resampled) -> FloatArray:
    return resampled.mean((resampled.confidence.values - resampled.labels) ** 2)


def _uncertainty_draws(resampled: Resampled) -> FloatArray:
    accuracy = resampled.mean(resampled.labels)
    uncertainty: FloatArray = accuracy * (1.0 - accuracy)
    return uncertainty


def _log_loss_draws(resampled: Resampled) -> FloatArray:
    return resampled.mean(answer_losses(resampled.confidence.values, resampled.labels))


register_calibration(
    brier,
    description="mean squared distance of confidence from right (1) or wrong (0); 0 is best",
    title="Brier score",
    order=200,
    of_weights=_brier_draws,
)
register_calibration(
    log_loss,
    description="mean −log of the probability given to what came true, in nats; infinite (null) where it was 0",
    title="Log loss",
    order=201,
    bounds=(0.0, np.inf),
    of_weights=_log_loss_draws,
)
register_calibration(
    brier_reliability,
    description="what miscalibration adds to the Brier score: squared gaps in 15 equally full bins",
    title="Reliability",
    order=210,
    ideal=0.0,
    of_labels=_reliability,
    debiased=debiased_reliability,
)
register_calibration(
    brier_resolution,
    description="what telling right answers from wrong ones takes off the Brier score",
    title="Resolution",
    order=211,
    higher_is_better=True,
    bounds=(-1.0, 1.0),
    of_labels=_resolution,
    debiased=debiased_resolution,
)
register_calibration(
    brier_uncertainty,
    description="accuracy × (1 − accuracy): the Brier score of the best constant confidence",
    title="Uncertainty",
    order=212,
    bounds=(0.0, 0.25),
    higher_is_better=None,
    of_weights=_uncertainty_draws,
)
