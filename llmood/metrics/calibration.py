"""How far confidences are from accuracies, in bins: ECE and its kin, each biased upward (see `calibration_base`).

`confidence` is a float array (n,) in [0, 1], `correct` a bool array (n,). NaN, wrong shapes and other confidences raise
ValueError; no samples, `UndefinedMetric`. All answers right or all wrong is no special case. Bins are 15: equally wide
ones are half open and the last one closed, as NumPy's histogram has them; equally full ones keep equal confidences
together, so that no order of the rows decides.

Debiased values are the value less E[value*] − value, where value* has each bin's accuracy redrawn from a normal with
the accuracy's own variance (exact means, no draws). Source: Kumar, Liang and Ma, "Verified Uncertainty Calibration"
(NeurIPS 2019), whose code divides by the size of a bin where we divide by one less. Where calibration is perfect this
takes away some 40 % of the bias, and it can go below 0; the band says the rest.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.calibration_base import Confidences, Resampled, labelled, register_calibration
from llmood.metrics.calibration_bins import STANDARD, Rule, by_mass, by_width
from llmood.metrics.folded_normal import mean_absolute, mean_positive
from llmood.metrics.inputs import FloatArray


def ece_width_15(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Expected calibration error, Σ_b n_b/n |mean confidence − accuracy|, in 15 equally wide bins.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015).
    """
    return float(_ece(*labelled(confidence, correct), rule="width"))


def ece_mass_15(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Expected calibration error in 15 equally full bins (see `mass_bins`).

    Source: Nguyen and O'Connor, "Posterior calibration and exploratory analysis for NLP models" (EMNLP 2015).
    """
    return float(_ece(*labelled(confidence, correct), rule="mass"))


def mce_width_15(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Maximum calibration error, max_b |mean confidence − accuracy|, over the 15 equally wide bins that hold samples.

    One small bin decides it: read it beside the band. Source: as `ece_width_15`.
    """
    return float(_mce(*labelled(confidence, correct)))


def overconfidence(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Σ_b n_b/n max(mean confidence − accuracy, 0) in 15 equally full bins: the over-confident part of `ece_mass_15`.

    The over-confidence error of Thulasidasan et al., "On Mixup Training" (NeurIPS 2019) without its factor, the bin's
    confidence: so over- and underconfidence add up to the ECE, and their difference is `mean_confidence_gap`.
    """
    return float(_over(*labelled(confidence, correct)))


def underconfidence(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Σ_b n_b/n max(accuracy − mean confidence, 0) in 15 equally full bins; see `overconfidence`."""
    return float(_under(*labelled(confidence, correct)))


def mean_confidence_gap(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean confidence less accuracy: above 0, answers are trusted too much on average. In no bins, and unbiased."""
    held, labels = labelled(confidence, correct)
    return float((held.values - labels).mean())


def debiased_ece(confidence: ArrayLike, correct: ArrayLike, rule: Rule) -> float:
    """The debiased ECE: 2 ECE − Σ_b n_b/n E|N(gap_b, variance_b)|; see the head of this module."""
    held, labels = labelled(confidence, correct)
    binned = held.once(STANDARD[rule])
    gap, variance = binned.gap(labels), binned.variance(labels)
    return float(binned.share @ (2.0 * np.abs(gap) - mean_absolute(gap, variance)))


def debiased_part(confidence: ArrayLike, correct: ArrayLike, sign: int) -> float:
    """The debiased overconfidence (sign 1) or underconfidence (sign −1)."""
    held, labels = labelled(confidence, correct)
    binned = held.once(by_mass)
    gap, variance = sign * binned.gap(labels), binned.variance(labels)
    return float(binned.share @ (2.0 * np.maximum(gap, 0.0) - mean_positive(gap, variance)))


def debiased_mce(confidence: ArrayLike, correct: ArrayLike) -> float:
    """2 MCE − E max_b |N(gap_b, variance_b)|, the mean being the integral of 1 − Π_b P(|N_b| ≤ u) over u ≥ 0."""
    from scipy.special import ndtr

    held, labels = labelled(confidence, correct)
    binned = held.once(by_width)
    gap, spread = np.abs(binned.gap(labels)), np.sqrt(binned.variance(labels))
    most = float(gap.max())
    noisy = spread > 0.0
    # A bin without noise keeps the maximum at its own gap or above: below that the integrand is 1.
    floor = float(gap[~noisy].max(initial=0.0))
    top = max(floor, float((gap + 9.0 * spread).max()))
    u = np.linspace(floor, top, 4001)[:, None]
    below = ndtr((u - gap[noisy]) / spread[noisy]) - ndtr((-u - gap[noisy]) / spread[noisy])
    return 2.0 * most - (floor + float(np.trapezoid(1.0 - below.prod(axis=1), u[:, 0])))


def _ece(held: Confidences, labels: FloatArray, rule: Rule) -> FloatArray:
    binned = held.once(STANDARD[rule])
    error: FloatArray = np.abs(binned.gap(labels)) @ binned.share
    return error


def _mce(held: Confidences, labels: FloatArray) -> FloatArray:
    worst: FloatArray = np.abs(held.once(by_width).gap(labels)).max(axis=-1)
    return worst


def _over(held: Confidences, labels: FloatArray) -> FloatArray:
    binned = held.once(by_mass)
    part: FloatArray = np.maximum(binned.gap(labels), 0.0) @ binned.share
    return part


def _under(held: Confidences, labels: FloatArray) -> FloatArray:
    binned = held.once(by_mass)
    part: FloatArray = np.maximum(-binned.gap(labels), 0.0) @ binned.share
    return part


def _mean_gaps(resampled: Resampled) -> FloatArray:
    return resampled.mean(resampled.confidence.values - resampled.labels)


register_calibration(
    ece_width_15,
    description="expected calibration error: |confidence − accuracy| in 15 equally wide bins, weighted by their size",
    title="ECE, equal width",
    order=220,
    ideal=0.0,
    of_labels=partial(_ece, rule="width"),
    debiased=partial(debiased_ece, rule="width"),
)
register_calibration(
    ece_mass_15,
    description="expected calibration error in 15 equally full bins",
    title="ECE, equal mass",
    order=221,
    ideal=0.0,
    of_labels=partial(_ece, rule="mass"),
    debiased=partial(debiased_ece, rule="mass"),
)
register_calibration(
    mce_width_15,
    description="the largest |confidence − accuracy| of 15 equally wide bins",
    title="MCE",
    order=222,
    ideal=0.0,
    of_labels=_mce,
    debiased=debiased_mce,
)
register_calibration(
    overconfidence,
    description="the part of the equal-mass ECE in bins whose confidence is above their accuracy",
    title="Over-confidence",
    order=230,
    ideal=0.0,
    of_labels=_over,
    debiased=partial(debiased_part, sign=1),
)
register_calibration(
    underconfidence,
    description="the part of the equal-mass ECE in bins whose confidence is below their accuracy",
    title="Under-confidence",
    order=231,
    ideal=0.0,
    of_labels=_under,
    debiased=partial(debiased_part, sign=-1),
)
register_calibration(
    mean_confidence_gap,
    description="mean confidence less accuracy; above 0 answers are trusted too much on average",
    title="Mean confidence gap",
    order=232,
    ideal=0.0,
    higher_is_better=None,
    bounds=(-1.0, 1.0),
    of_weights=_mean_gaps,
)
