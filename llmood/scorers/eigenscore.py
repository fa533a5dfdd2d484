"""How much room the answers to a prompt take up in an encoder's space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.captures import SPREAD
from llmood.engines.observations import Block
from llmood.measures.eigenscore import eigenscore_of_covariance
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.drawn import Drawn, ReadsDraws
from llmood.scorers.settings import Params


@register("eigenscore")
class EigenScore(ReadsDraws):
    """(1 / K) log det(Σ + α·I), Σ the covariance of what `models.encoder` makes of the draws.

    Formula: `measures.eigenscore` (Chen et al., "INSIDE", ICLR 2024). The source reads the model's own state of each
    draw's last token in a middle layer; this reads a sentence encoder's vector of the draw's words without the
    question, which any engine's draws have, at length √d, as normed states have. It takes the encoder whatever the
    run's `equivalence` says. It depends on how many draws say something: compare within one encoder and number of
    draws.

    Args:
        generations: how they were drawn (the run's `generations`).
        alpha: above 0; what equal draws leave of a direction.
    """

    compared = SPREAD
    columns: ClassVar[Mapping[str, list[str]]] = {
        "generations": ReadsDraws.columns["generations"],
        "equivalence": ["covariance"],
    }

    def __init__(self, *, alpha: float = 1e-3, **drawn: Any) -> None:
        super().__init__(**drawn)
        if not alpha > 0.0:
            raise ValueError(f"alpha is a number above 0, not {alpha!r}")
        self.alpha = alpha

    @property
    def rule(self) -> Params:
        return {"rule": "embedding", "question": False}

    @property
    def definition(self) -> str | None:
        return f"embeddings of the encoder, alpha={self.alpha:g}"

    def of_rows(self, block: Block, drawn: Drawn, rows: NDArray[np.intp]) -> Floats:
        table = block[self.needs[-1]].take(pa.array(rows))
        _, offsets = block.many(self.draws)
        found = []
        for at, (row, values) in enumerate(zip(rows, table["covariance"].to_pylist(), strict=True)):
            said = drawn.places[drawn.offsets[at] : drawn.offsets[at + 1]] - offsets[row]
            count = int(offsets[row + 1] - offsets[row])
            covariance = np.array(values, dtype=np.float64).reshape(count, count)[np.ix_(said, said)]
            found.append(float(eigenscore_of_covariance(covariance, self.alpha)))
        return np.array(found, dtype=np.float64)
