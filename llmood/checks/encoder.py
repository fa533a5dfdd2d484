"""Did the encoder read the whole of each text?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmood.checks.base import CheckInput, checks
from llmood.engines.base import EMBEDDING, ENCODER
from llmood.engines.encoder import cut_texts
from llmood.records import CaptureSpec, Check


@checks.register("texts_cut")
def texts_cut(given: CheckInput) -> Iterator[Check]:
    """A vector of a text's beginning may lie where the whole text wouldn't."""
    spec = CaptureSpec.of(EMBEDDING, ENCODER)
    limit = given.models.get(ENCODER, {}).get("context")
    if limit is None or not given.observations.has(spec):
        return
    tokens = np.zeros(given.observations.samples.num_rows, np.int64)
    for block in given.observations.blocks([spec], {EMBEDDING: ["tokens"]}):
        tokens[block.positions] = block[spec]["tokens"].fill_null(0).to_numpy()
    populations = (given.scored.id, *given.scored.ood)
    yield from cut_texts({each.task: tokens[each.rows] for each in populations}, int(limit))
