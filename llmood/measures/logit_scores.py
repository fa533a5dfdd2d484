"""Scores of a classifier's logits: a head's, or a language model's for the words of the classes.

`logits` are (n, C). Higher scores are more OOD. The offset of a language model's logits is arbitrary: max logit and
energy compare only within one model. Where the head was never trained, none of them means anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import log_sum
from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats, Integers


class GroupSoftmax(NamedTuple):
    """Of MOS: `uncertainty` (n,), and the predicted class (n,), a column of the logits that is no "others"."""

    uncertainty: Floats
    prediction: Integers


def max_softmax_uncertainty(logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """1 − max_c softmax(z / T)_c, (n,), from 0 to 1 − 1/C.

    It is summed over the other classes, so that it doesn't round to 0 where the model is sure.

    Source: Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
    Networks" (ICLR 2017).
    """
    scaled = _scaled(logits, temperature)
    top = scaled.argmax(axis=1)
    weights = np.exp(scaled - scaled[np.arange(len(scaled)), top][:, None])
    weights[np.arange(len(scaled)), top] = 0.0
    others = weights.sum(axis=1)
    return np.asarray(others / (1.0 + others))


def max_logit_uncertainty(logits: NDArray[np.floating]) -> Floats:
    """−max_c z_c, (n,).

    Source: Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings" (ICML 2022).
    """
    return np.asarray(-check_states(logits, "logits").max(axis=1))


def energy(logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """−T·log Σ_c e^{z_c / T}, (n,).

    Source: Liu et al., "Energy-based Out-of-distribution Detection" (NeurIPS 2020).
    """
    return np.asarray(-temperature * log_sum(_scaled(logits, temperature)))


def minimum_others(logits: NDArray[np.floating], sizes: Sequence[int]) -> GroupSoftmax:
    """MOS: the smallest probability over groups of classes that a group gives to "none of mine", its own softmax.

    Source: Huang and Li, "MOS: Towards Scaling Out-of-distribution Detection for Large Semantic Space" (CVPR 2021),
    negated.

    Args:
        logits: (n, Σ sizes): group after group, each with "others" first and its classes behind.
        sizes: the columns of each group, "others" among them: at least 2.

    Raises:
        ValueError: sizes that are smaller, or don't add up to the columns.
    """
    values = check_states(logits, "logits")
    if not sizes or min(sizes) < 2 or sum(sizes) != values.shape[1]:
        raise ValueError(
            f"sizes must be at least 2 each and add up to {values.shape[1]} columns, not {[*sizes]}"
        )
    starts = np.concatenate([[0], np.cumsum(sizes)])
    probabilities = np.empty_like(values)
    for start, end in itertools.pairwise(starts):
        part = values[:, start:end]
        probabilities[:, start:end] = np.exp(part - log_sum(part)[:, None])
    others = probabilities[:, starts[:-1]].min(axis=1)
    probabilities[:, starts[:-1]] = -1.0
    return GroupSoftmax(others, probabilities.argmax(axis=1).astype(np.int64))


def _scaled(logits: NDArray[np.floating], temperature: float) -> Floats:
    if not temperature > 0.0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    return check_states(logits, "logits") / temperature
