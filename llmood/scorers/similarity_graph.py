"""The draws as a graph of what says what, and how far it falls apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

import numpy as np

from llmood.measures.lexical_similarity import jaccard_similarity
from llmood.measures.similarity_graph import degree_uncertainty, eccentricity, laplacian_eigenvalue_sum
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, FromDraws
from llmood.scorers.settings import SAME_WORDS, TEN_DRAWS, Params

Similarity = Literal["entailment", "contradiction", "jaccard"]
VARIANTS: Mapping[str, Mapping[str, Similarity]] = {
    "": {"similarity": "entailment"},
    ".contradiction": {"similarity": "contradiction"},
    ".jaccard": {"similarity": "jaccard"},
}


class _OfGraph(FromDraws):
    """A measure of the graph whose edges are the draws' similarities.

    Args:
        similarity: how far one entails the other, how far they don't contradict each other, or the words they share.
    """

    compared = "all"

    def __init__(
        self,
        *,
        generations: Params = TEN_DRAWS,
        equivalence: Params = SAME_WORDS,
        similarity: Similarity = "entailment",
    ) -> None:
        super().__init__(generations=generations, equivalence=equivalence)
        self.similarity = similarity

    @property
    def comparison(self) -> CaptureSpec | None:
        return None if self.similarity == "jaccard" else super().comparison

    def of_graphs(self, drawn: Drawn, measure: Callable[[Floats], Floats]) -> Floats:
        """A measure of each sample's graph."""
        return np.array([float(measure(graph)) for graph in self._graphs(drawn)])

    def _graphs(self, drawn: Drawn) -> list[Floats]:
        if self.similarity == "jaccard":
            return [jaccard_similarity(drawn.texts[a:b]) for a, b in pairwise(drawn.offsets.tolist())]
        if self.similarity == "entailment":
            return list(drawn.entailment)
        return [1.0 - matrix for matrix in drawn.contradiction]


@register("degree_matrix", VARIANTS)
class DegreeMatrix(_OfGraph):
    """The mean distance of the draws from each other.

    Formula: `measures.similarity_graph.degree_uncertainty` (Lin et al., TMLR 2024).
    """

    def uncertainty(self, drawn: Drawn) -> Floats:
        return self.of_graphs(drawn, degree_uncertainty)


@register("eccentricity", VARIANTS)
class Eccentricity(_OfGraph):
    """How far the draws lie from their centre.

    Formula: `measures.similarity_graph.eccentricity` (Lin et al., TMLR 2024).
    """

    def uncertainty(self, drawn: Drawn) -> Floats:
        return self.of_graphs(drawn, eccentricity)


@register("eigenvalue_laplacian", VARIANTS)
class EigenvalueLaplacian(_OfGraph):
    """A continuous number of meanings.

    Formula: `measures.similarity_graph.laplacian_eigenvalue_sum` (Lin et al., TMLR 2024).
    """

    def uncertainty(self, drawn: Drawn) -> Floats:
        return self.of_graphs(drawn, laplacian_eigenvalue_sum)
