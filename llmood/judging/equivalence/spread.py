"""How far a sample's draws lie apart in an encoder's space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from llmood.engines.captures import compared_answers
from llmood.engines.observations import Block
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.draws import Draws, Unread, read_draws
from llmood.judging.equivalence.rules import EmbeddingRule, Rule
from llmood.measures.eigenscore import draws_covariance
from llmood.records import CaptureSpec


class DrawsSpread:
    """`covariance`, (draws, draws), over the dimensions of their vectors; 0 for a draw that says nothing.

    Vectors have length √d rather than 1, so that a dimension varies by 1, whatever their number: α of an EigenScore
    then means the same with any encoder.
    """

    def __init__(self, spec: CaptureSpec) -> None:
        self._drawn = compared_answers(spec)

    def read(self, block: Block) -> Iterator[Draws | Unread]:
        return read_draws(block, self._drawn)

    def observe(self, samples: Sequence[Draws], rule: Rule, count: Count) -> list[dict[str, Any]]:
        if not isinstance(rule, EmbeddingRule):
            raise ValueError("only an encoder gives vectors")
        vectors = rule.vectors([text for sample in samples for text in sample.texts]).astype(np.float64)
        vectors *= np.sqrt(vectors.shape[1])
        ends = np.cumsum([len(sample.texts) for sample in samples])[:-1]
        rows = []
        for sample, own in zip(samples, np.split(vectors, ends), strict=True):
            places = np.array(sample.place)
            said = places >= 0
            covariance = np.zeros((len(places), len(places)))
            covariance[np.ix_(said, said)] = draws_covariance(own)[np.ix_(places[said], places[said])]
            count.pairs += len(places) * (len(places) - 1)
            count.compared += len(own) * (len(own) - 1)
            rows.append({"covariance": covariance.ravel().tolist()})
        return rows
