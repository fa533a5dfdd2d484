"""The smooth calibration error: no bins, and a bandwidth that the data choose. Inputs as in `calibration`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from llmood.metrics.calibration_base import Confidences, labelled, register_calibration
from llmood.metrics.folded_normal import mean_absolute
from llmood.metrics.inputs import FloatArray

CELLS = 1024  # of the grid on [0, 1]
HALVINGS = 16  # of the bracket around the bandwidth


def smooth_ece(confidence: ArrayLike, correct: ArrayLike) -> float:
    """The one σ that equals ∫ |(1/n) Σᵢ (cᵢ − yᵢ) K_σ(t, cᵢ)| dt over [0, 1], K a Gaussian reflected at 0 and 1.

    The integral never grows with σ, so that there is one. It is 0 for perfect predictions, |c − accuracy| where all
    have the confidence c, and at most 1. Unlike an ECE it moves little where the confidences do. Confidences are laid
    on a grid of 1,024 cells, which moves a value by some 10⁻⁵.

    Source: Błasiok and Nakkiran, "Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing" (ICLR 2024).
    """
    return float(_smooth_ece(*labelled(confidence, correct)))


def debiased_smooth_ece(confidence: ArrayLike, correct: ArrayLike) -> float:
    """2 smECE − ∫ E|N(r(t), v(t))| dt: the rule of the debiased ECE at every t, with the bandwidth held.

    That is our extension of it. r is the smoothed gap and v its variance, Σᵢ K_σ(t, cᵢ)² aᵢ (1 − aᵢ) / n², with aᵢ the
    smoothed accuracy at cᵢ.
    """
    from scipy.fft import dct, idct

    held, labels = labelled(confidence, correct)
    laid = held.once(_laid)
    count, right = laid.sum(axis=1), laid @ labels
    value = float(_smooth_ece(held, labels))
    decay = np.exp(-_rates() * value**2)
    kernel = idct(decay[:, None] * dct(np.eye(CELLS), axis=0), axis=0) * CELLS
    density, accuracy = kernel @ count, np.zeros(CELLS)
    np.divide(kernel @ right, density, out=accuracy, where=density > 0.0)
    accuracy = np.clip(accuracy, 0.0, 1.0)
    variance = kernel**2 @ (count * accuracy * (1.0 - accuracy)) / len(held) ** 2
    gap = kernel @ (laid @ (held.values - labels)) / len(held)
    return 2.0 * value - float(mean_absolute(gap, variance).mean())


def _smooth_ece(held: Confidences, labels: FloatArray) -> FloatArray:
    """Labels (..., n) to (...)."""
    from scipy.fft import dct, idct  # here, so that importing metrics doesn't load scipy

    laid, n = held.once(_laid), len(held)
    gaps = (laid @ (held.values - labels.reshape(-1, n)).T).T / n
    waves, rates = dct(gaps, axis=-1), _rates()

    def error(width: FloatArray) -> FloatArray:
        smoothed = idct(waves * np.exp(-rates * width[:, None] ** 2), axis=-1)
        total: FloatArray = np.abs(smoothed).sum(axis=-1)
        return total

    low, high = np.zeros(len(gaps)), np.ones(len(gaps))
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        wider = error(middle) > middle
        low, high = np.where(wider, middle, low), np.where(wider, high, middle)
    found: FloatArray = error(high).reshape(labels.shape[:-1])
    return found


def _rates() -> FloatArray:
    """How fast each wave of the grid fades: exp(−rate σ²) is heat that spreads on it for a variance of σ².

    A random walk between reflecting ends: as positive and as monotone in σ as the Gaussian that it stands for, at any
    σ, and of the same variance.
    """
    rates: FloatArray = CELLS**2 * (1.0 - np.cos(np.pi * np.arange(CELLS) / CELLS))
    return rates


def _laid(confidence: FloatArray) -> Any:
    """The sparse matrix (CELLS, n) that shares each sample between the two cells whose middles it lies between."""
    from scipy.sparse import csr_array

    place = np.clip(confidence * CELLS - 0.5, 0.0, CELLS - 1.0)
    below = np.minimum(place.astype(np.intp), CELLS - 2)
    upper = place - below
    sample = np.arange(len(confidence))
    entries = np.concatenate([1.0 - upper, upper])
    cells = np.concatenate([below, below + 1])
    return csr_array((entries, (cells, np.concatenate([sample, sample]))), shape=(CELLS, len(confidence)))


register_calibration(
    smooth_ece,
    description="smooth calibration error: a kernel in place of bins, its bandwidth chosen by the data",
    title="Smooth ECE",
    order=202,
    ideal=0.0,
    of_labels=_smooth_ece,
    debiased=debiased_smooth_ece,
)
