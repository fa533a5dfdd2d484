"""How spread the next token's distribution is, token by token: exactly, or between bounds from its top.

Log-probabilities are natural and of shape (..., V), over the whole vocabulary; a −inf is a token of probability 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import entropy_terms, log_sum, row_maxima, row_sums
from llmood.measures.token_statistics import Floats

SLACK = 1e-3  # how far rounding may let the residual mass exceed what the other tokens can hold


class EntropyBounds(NamedTuple):
    """The smallest and the largest entropy that what is known allows, nats."""

    lower: Floats
    upper: Floats


def entropy(log_probabilities: NDArray[np.floating]) -> Floats:
    """H = −Σ p log p along the last axis; from 0 to log V."""
    return np.asarray(entropy_terms(np.exp(np.asarray(log_probabilities, np.float64))).sum(axis=-1))


def entropy_bounds(
    top_log_probabilities: NDArray[np.floating], residual_mass: NDArray[np.floating] | None, vocabulary: int
) -> EntropyBounds:
    """What the entropy can be, given the k largest of V probabilities and the mass of the rest.

    None of the others is larger than the smallest known, p_k. Entropy is largest where they share the residual mass r
    evenly, and smallest where as many as possible have p_k and one has what is left. Both ends are attained.

    Args:
        top_log_probabilities: (..., k), the k largest, in any order.
        residual_mass: (...), r; None takes 1 − Σ p.
        vocabulary: V.

    Raises:
        ValueError: no token is known, or more than V, or the rest can't hold the residual mass: the known ones aren't
            the largest, or V is of another model.
    """
    p = np.exp(np.asarray(top_log_probabilities, dtype=np.float64))
    others = vocabulary - p.shape[-1]
    if others < 0 or not p.shape[-1]:
        raise ValueError(
            f"{p.shape[-1]} log-probabilities of a vocabulary of {vocabulary}: give 1 to all of them"
        )
    given = 1.0 - p.sum(axis=-1) if residual_mass is None else np.asarray(residual_mass, dtype=np.float64)
    rest = np.clip(given, 0.0, None)
    cap = p.min(axis=-1)
    if (rest > others * cap * (1 + SLACK) + SLACK).any():
        raise ValueError(
            f"a residual mass of {float(rest.max()):.4g} doesn't fit {others} tokens that are each no likelier than "
            f"the least likely of the {p.shape[-1]} given: give the largest ones, and this model's vocabulary"
        )
    known = entropy_terms(p).sum(axis=-1)
    upper = known + others * entropy_terms(rest / max(others, 1))
    whole = np.minimum(np.floor(rest / np.where(cap > 0, cap, 1.0)), others)
    left = np.clip(rest - whole * cap, 0.0, None)
    lower = known + whole * entropy_terms(cap) + entropy_terms(left)
    return EntropyBounds(lower=np.minimum(lower, upper), upper=upper)


def mean_token_entropy(entropies: Floats, offsets: NDArray[np.integer]) -> Floats:
    """The mean over each row's tokens, (n,); a NaN is a token without a value, a row of none is NaN.

    Source: Fomicheva et al., "Unsupervised Quality Estimation for Neural Machine Translation" (TACL 2020).
    """
    flat = np.asarray(entropies, dtype=np.float64)
    known = ~np.isnan(flat)
    with np.errstate(invalid="ignore"):
        means: Floats = row_sums(np.where(known, flat, 0.0), offsets) / row_sums(known, offsets)
    return means


def max_token_entropy(entropies: Floats, offsets: NDArray[np.integer]) -> Floats:
    """The largest over each row's tokens, (n,); NaN as in `mean_token_entropy`.

    Source: Manakul et al., "SelfCheckGPT" (EMNLP 2023), where it is a sentence's.
    """
    flat = np.asarray(entropies, dtype=np.float64)
    maxima = row_maxima(np.where(np.isnan(flat), -np.inf, flat), offsets)
    return np.where(np.isneginf(maxima), np.nan, maxima)


def self_certainty(log_probabilities: NDArray[np.floating]) -> Floats:
    """KL(uniform ‖ p) = −log V − (1/V) Σ log p along the last axis; higher is surer, +inf where some p is 0.

    Source: Kang et al., "Scalable Best-of-N Selection for Large Language Models via Self-Certainty" (2025).
    """
    log_p = np.asarray(log_probabilities, dtype=np.float64)
    return np.asarray(-np.log(log_p.shape[-1]) - log_p.mean(axis=-1))


def renyi_divergence_from_uniform(
    log_probabilities: NDArray[np.floating], alpha: float = 0.5, temperature: float = 1.0
) -> Floats:
    """D_α(p ‖ uniform) = log V + log(Σ p^α) / (α − 1); higher is surer, from 0 to log V.

    At α = 1 it is the Kullback–Leibler divergence, log V − H.

    Source: Darrin et al., "Rainproof" (EMNLP 2023); their code takes p at temperature 2.

    Args:
        log_probabilities: (..., V).
        alpha: the order, above 0.
        temperature: p^(1/temperature), normalised, is what is compared.
    """
    if alpha <= 0:
        raise ValueError(f"alpha must be above 0, not {alpha}")
    log_p = _tempered(log_probabilities, temperature)
    size = np.log(log_p.shape[-1])
    if alpha == 1:
        return np.asarray(size - entropy(log_p))
    return np.asarray(size + log_sum(alpha * log_p) / (alpha - 1))


def fisher_rao_from_uniform(log_probabilities: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """(2/π) arccos Σ √(p/V), the Fisher–Rao distance to the uniform distribution; higher is surer, in [0, 1).

    Source: Darrin et al., "Rainproof" (EMNLP 2023); their code takes p at temperature 2.
    """
    log_p = _tempered(log_probabilities, temperature)
    overlap = np.exp(log_sum(log_p / 2) - np.log(log_p.shape[-1]) / 2)
    return np.asarray(2 / np.pi * np.arccos(np.minimum(overlap, 1.0)))


def _tempered(log_probabilities: NDArray[np.floating], temperature: float) -> Floats:
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    scaled = np.asarray(log_probabilities, dtype=np.float64) / temperature
    return np.asarray(scaled - log_sum(scaled)[..., None])
