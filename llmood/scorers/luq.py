"""Of long answers: how little the draws support what each of them says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.observations import Block
from llmood.measures.luq import luq
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, ReadsDraws
from llmood.scorers.settings import Params


@register("luq")
class Luq(ReadsDraws):
    """1 − how far the draws support each other's sentences.

    Formula: `measures.luq` (Zhang et al., EMNLP 2024): a draw, whole, is the premise, and a sentence of another one the
    hypothesis, read without the question as in the source. Meant for answers of several sentences; how an answer is
    cut into sentences is `judging.equivalence.sentences`.
    """

    compared = "sentences"
    columns: ClassVar[Mapping[str, list[str]]] = {
        **ReadsDraws.columns,
        "equivalence": [*ReadsDraws.columns["equivalence"], "support", "sentence"],
    }

    @property
    def rule(self) -> Params:
        return {**self.equivalence, "question": False} if "question" in self.equivalence else self.equivalence

    def of_rows(self, block: Block, drawn: Drawn, rows: NDArray[np.intp]) -> Floats:
        table = block[self.needs[-1]].take(pa.array(rows))
        _, offsets = block.many(self.draws)
        bounds = drawn.offsets
        found = []
        for at, (row, support, whose) in enumerate(
            zip(rows, table["support"].to_pylist(), table["sentence"].to_pylist(), strict=True)
        ):
            said = drawn.places[bounds[at] : bounds[at + 1]] - offsets[row]
            matrix = np.array(support, dtype=np.float64).reshape(len(whose), offsets[row + 1] - offsets[row])
            own = np.searchsorted(said, np.array(whose, dtype=np.int64))
            found.append(luq(matrix[:, said], own, len(said)))
        return np.array(found, dtype=np.float64)
