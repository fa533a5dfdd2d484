"""An answer that others resemble counts as more probable; and, in full, so does one whose key tokens are sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.captures import comparison_of
from llmood.engines.observations import Block
from llmood.measures.shifting_attention import sentence_sar
from llmood.measures.similarity_graph import symmetric
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, FromDraws, ReadsDraws
from llmood.scorers.token_sar import weighed


@register("sentence_sar")
class SentenceSar(FromDraws):
    """The mean −log p of the draws, each with the likelihood of those that say nearly the same.

    Formula: `measures.shifting_attention.sentence_sar` (Duan et al., ACL 2024), with how far two draws entail each
    other, averaged over both ways, for their similarity.
    """

    reads_logprobs = True
    compared = "all"

    def uncertainty(self, drawn: Drawn) -> Floats:
        return _shifted(drawn, drawn.log_likelihoods)


@register("sar")
class Sar(ReadsDraws):
    """`sentence_sar` with e^(−`token_sar`) of each draw for its likelihood: the relevant tokens of relevant answers.

    Formula: `measures.shifting_attention.sar` (Duan et al., ACL 2024). Every draw is compared with itself less each of
    its tokens: with an inference model that is by far the costliest comparison here.
    """

    reads_logprobs = True
    compared = "all"

    columns: ClassVar[Mapping[str, list[str]]] = {
        **ReadsDraws.columns,
        "equivalence": [*ReadsDraws.columns["equivalence"], "relevance"],
    }

    @property
    def relevance(self) -> CaptureSpec:
        """The capture of how much each token matters."""
        return comparison_of("tokens", self.equivalence, self.generations)

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (*super().needs, self.relevance)

    def of_rows(self, block: Block, drawn: Drawn, rows: NDArray[np.intp]) -> Floats:
        kept = [
            own
            for every in block[self.relevance]["relevance"].take(pa.array(rows)).to_pylist()
            for own in every
            if own is not None
        ]
        table, _ = block.many(self.draws)
        return _shifted(drawn, -weighed(table.take(pa.array(drawn.places)), kept))


def _shifted(drawn: Drawn, log_likelihoods: Floats) -> Floats:
    """`sentence_sar` of each sample."""
    spans: Sequence[tuple[int, int]] = list(pairwise(drawn.offsets.tolist()))
    return np.array(
        [
            float(sentence_sar(log_likelihoods[first:last], symmetric(entails)))
            for (first, last), entails in zip(spans, drawn.entailment, strict=True)
        ]
    )
