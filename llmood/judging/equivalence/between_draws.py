"""Which of a sample's draws say the same, and how far each entails and contradicts each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.engines.captures import compared_answers
from llmood.engines.observations import Block
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.draws import Draws, Unread, read_draws
from llmood.judging.equivalence.rules import Rule
from llmood.measures.clustering import opener_clusters
from llmood.measures.token_statistics import Integers
from llmood.records import CaptureSpec


class BetweenDraws:
    """Clusters; and, where all pairs are compared, matrices.

    Args:
        spec: its draws are compared.
        every: all pairs, rather than those that clusters need.
    """

    def __init__(self, spec: CaptureSpec, *, every: bool) -> None:
        self._drawn = compared_answers(spec)
        self._every = every

    def read(self, block: Block) -> Iterator[Draws | Unread]:
        return read_draws(block, self._drawn)

    def observe(self, samples: Sequence[Draws], rule: Rule, count: Count) -> list[dict[str, Any]]:
        def same(sample: Integers, opener: Integers, answer: Integers) -> NDArray[np.bool_]:
            asked = [
                samples[at].pair(*pair)
                for at, *pair in zip(*map(list, (sample, opener, answer)), strict=True)
            ]
            count.compared += len(asked)
            return np.array(rule.same(asked), dtype=np.bool_)

        sizes = np.array([len(sample.texts) for sample in samples], dtype=np.int64)
        clusters = np.split(opener_clusters(sizes, same), np.cumsum(sizes)[:-1])
        matrices = _matrices(samples, rule) if self._every else [{}] * len(samples)
        count.pairs += sum(len(sample.place) * (len(sample.place) - 1) for sample in samples)
        return [
            {"cluster": [None if at < 0 else int(cluster[at]) for at in sample.place], **matrix}
            for sample, cluster, matrix in zip(samples, clusters, matrices, strict=True)
        ]


def _matrices(samples: Sequence[Draws], rule: Rule) -> list[dict[str, list[float]]]:
    """Of each sample, how far each draw contradicts and entails each; a text entails itself."""
    asked = [
        (number, pair)
        for number, sample in enumerate(samples)
        for pair in permutations(range(len(sample.texts)), 2)
    ]
    found = rule.entailment([samples[number].pair(*pair) for number, pair in asked])
    own = [np.stack([np.zeros((len(s.texts),) * 2), np.eye(len(s.texts))], axis=-1) for s in samples]
    for (number, (first, second)), values in zip(asked, found, strict=True):
        own[number][first, second] = values
    matrices = []
    for sample, values in zip(samples, own, strict=True):
        # Draws that say nothing entail nothing and contradict nothing; who reads them leaves them out by `cluster`.
        places = np.array(sample.place)
        full = values[np.ix_(places, places)]
        full[places < 0] = full[:, places < 0] = 0.0
        matrices.append(
            {"contradiction": full[..., 0].ravel().tolist(), "entailment": full[..., 1].ravel().tolist()}
        )
    return matrices
