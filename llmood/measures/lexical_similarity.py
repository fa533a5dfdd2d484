"""Words that answers share: ROUGE-L and Jaccard, and their mean over the pairs of a question's draws."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from llmood.measures.token_statistics import Floats

Measure = Callable[[Sequence[str], Sequence[str]], float]
WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Runs of letters and digits of any script, case folded; no stemming. A script without spaces is one long run."""
    return WORD.findall(text.casefold())


def rouge_l(first: Sequence[str], second: Sequence[str]) -> float:
    """ROUGE-L: the F1 of the longest common subsequence, 2·LCS / (|a| + |b|); 1 for two empty texts.

    Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004), with β = 1.
    """
    if not first and not second:
        return 1.0
    return 2 * longest_common_subsequence(first, second) / (len(first) + len(second))


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Its length. One step a word of `second`, on whole numbers of |first| bits.

    Source: Hyyrö, "Bit-Parallel LCS-length Computation Revisited" (2004).
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    mask = (1 << len(first)) - 1
    row = mask
    for word in second:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & mask
    return len(first) - row.bit_count()


def rouge_l_similarity(texts: Sequence[str]) -> Floats:
    """ROUGE-L of each pair, (K, K), 1 on the diagonal."""
    return _pairwise(texts, rouge_l)


def jaccard_similarity(texts: Sequence[str]) -> Floats:
    """The share of the two texts' different words that both have, (K, K), 1 on the diagonal and for two empty texts.

    Source: Lin et al., "Generating with Confidence" (TMLR 2024).
    """

    def share(first: Sequence[str], second: Sequence[str]) -> float:
        either = {*first, *second}
        return len({*first} & {*second}) / len(either) if either else 1.0

    return _pairwise(texts, share)


def lexical_similarity(similarity: Floats) -> float:
    """The mean over the pairs of different draws of (K, K) similarities; higher is surer, NaN for fewer than two draws.

    Source: Fomicheva et al., "Unsupervised Quality Estimation for Neural Machine Translation" (TACL 2020).
    """
    pairs = similarity[np.triu_indices(len(similarity), k=1)]
    return float(pairs.mean()) if pairs.size else float("nan")


def _pairwise(texts: Sequence[str], measure: Measure) -> Floats:
    distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    split = [words(text) for text in distinct]
    matrix = np.eye(len(split))
    for i, first in enumerate(split):
        for j, second in enumerate(split[:i]):
            matrix[i, j] = matrix[j, i] = measure(first, second)
    numbers = [distinct[text] for text in texts]
    return np.asarray(matrix[np.ix_(numbers, numbers)], dtype=np.float64)
