"""Entropy over meanings: three estimates that share a name and differ in what a cluster's probability is.

All are of draws in flat arrays: `clusters` (m,) is the cluster of each draw, numbered within its question, and
`offsets` (n + 1,) says which draws are a question's. Natural logarithms; higher is less sure. A question without draws
is NaN.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmood.measures.segments import Groups, entropy_terms, flat_rows, grouped_log_sums, label_groups
from llmood.measures.token_statistics import Floats, Integers


def discrete_semantic_entropy(clusters: Integers, offsets: NDArray[np.integer]) -> Floats:
    """Entropy of the shares of draws: −Σ_c p_c log p_c with p_c = n_c / K; from 0 to log K.

    It needs no log-probabilities, and takes few values, so that ties are many.

    Source: Farquhar et al., "Detecting hallucinations in large language models using semantic entropy" (Nature 630,
    2024), the discrete variant.
    """
    rows = _clustered(clusters, offsets)
    shares = np.bincount(rows.of_entry, minlength=len(rows.row)) / np.diff(offsets)[rows.row]
    terms = entropy_terms(shares)
    # By size: the same counts in another order of clusters are the same score, to the last bit.
    order = np.lexsort((terms, rows.row))
    return _defined(np.bincount(rows.row[order], terms[order], len(offsets) - 1), offsets)


def rao_semantic_entropy(clusters: Integers, log_likelihoods: Floats, offsets: NDArray[np.integer]) -> Floats:
    """Entropy of the clusters' normalised likelihoods: p_c = Σ_{k ∈ c} e^{a_k} / Σ_k e^{a_k}; from 0 to log K.

    Source: Farquhar et al. (Nature 630, 2024), where a_k is the mean log-probability of the draw's tokens; with sums it
    is not normalised for length.

    Args:
        clusters: (m,).
        log_likelihoods: (m,) a_k of each draw. A draw counts as often as it was drawn.
        offsets: (n + 1,).

    Returns:
        (n,); NaN too where every draw has likelihood 0, or one is NaN.
    """
    rows = _clustered(clusters, offsets)
    values, question = _flat(log_likelihoods, offsets)
    total = grouped_log_sums(values, question, len(offsets) - 1)
    with np.errstate(invalid="ignore"):
        log_share = grouped_log_sums(values, rows.of_entry, len(rows.row)) - total[rows.row]
        terms = np.where(np.isneginf(log_share), 0.0, -np.exp(log_share) * log_share)
    # A cluster that has all the likelihood may come out a rounding below 0.
    return _defined(np.maximum(np.bincount(rows.row, terms, len(offsets) - 1), 0.0), offsets)


def monte_carlo_semantic_entropy(
    clusters: Integers,
    log_likelihoods: Floats,
    offsets: NDArray[np.integer],
    sequences: Integers | None,
    *,
    over: Literal["clusters", "draws"] = "clusters",
) -> Floats:
    """−mean log p(c), with p(c) the likelihood of the cluster's sequences themselves, Σ_{s ∈ c} p(s).

    Nothing is normalised over the draws: it grows with what was never drawn, and has no upper limit.

    Source: Kuhn et al., "Semantic Uncertainty" (ICLR 2023), with the mean over the clusters found. An estimate of
    −E log p(c) by draws weighs a cluster by its draws instead: `over="draws"`, as lm-polygraph has it.

    Args:
        clusters: (m,).
        log_likelihoods: (m,) log p of each draw, a sum over its tokens; with means p(c) is no probability.
        offsets: (n + 1,).
        sequences: (m,) equal where a question's draws are the same token ids. Each sequence counts once, so that no
            p(c) exceeds 1. None counts draws, as published code does: ten of a sequence of probability 0.9 are 9.
        over: what the mean is over.

    Returns:
        (n,); +inf where a cluster has likelihood 0.
    """
    rows = _clustered(clusters, offsets)
    values, question = _flat(log_likelihoods, offsets)
    first = np.arange(len(values))
    if sequences is not None:
        same, _ = flat_rows(sequences, offsets)
        first = np.unique(label_groups(rows.of_entry, same).of_entry, return_index=True)[1]
    log_p = grouped_log_sums(values[first], rows.of_entry[first], len(rows.row))
    of, terms = (rows.row, log_p) if over == "clusters" else (question, log_p[rows.of_entry])
    with np.errstate(invalid="ignore"):
        means = np.bincount(of, -terms, len(offsets) - 1) / np.bincount(of, minlength=len(offsets) - 1)
    return _defined(means, offsets)


def number_of_semantic_sets(clusters: Integers, offsets: NDArray[np.integer]) -> Floats:
    """How many meanings a question's draws have, (n,).

    Source: Lin et al., "Generating with Confidence" (TMLR 2024), with the clusters of `clustering` as the sets.
    """
    return _defined(np.bincount(_clustered(clusters, offsets).row, minlength=len(offsets) - 1), offsets)


def _clustered(clusters: Integers, offsets: NDArray[np.integer]) -> Groups:
    labels, question = flat_rows(clusters, offsets)
    return label_groups(question, labels)


def _flat(values: Floats, offsets: NDArray[np.integer]) -> tuple[Floats, Integers]:
    flat, row = flat_rows(values, offsets)
    return flat.astype(np.float64), row


def _defined(values: NDArray[np.number], offsets: NDArray[np.integer]) -> Floats:
    return np.where(np.diff(offsets) > 0, values.astype(np.float64), np.nan)
