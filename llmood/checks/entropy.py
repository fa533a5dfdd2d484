"""Are the entropies exact?"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.compute as pc

from llmood.checks.base import CheckInput, checks
from llmood.engines.captures import RESPONSE
from llmood.records import OK, CaptureSpec, Check

READING = "token_entropy"


@checks.register("entropy_is_a_bound")
def entropy_is_a_bound(given: CheckInput) -> Iterator[Check]:
    """Where an engine gave the likeliest tokens in place of the entropy, a score is the least that they allow."""
    if not any(column.scorer.startswith(READING) for column in given.columns):
        return
    for spec in map(CaptureSpec.from_id, given.observations.captures):
        if spec.kind != RESPONSE or spec.control is not None:
            continue
        bounded = answers = 0
        for block in given.observations.blocks([spec], {RESPONSE: ["entropy", "top_logprobs"]}):
            table = block[spec]
            there = table.filter(pc.equal(table["status"], OK))
            answers += there.num_rows
            bounded += (
                pc.sum(pc.and_(pc.is_null(there["entropy"]), pc.is_valid(there["top_logprobs"]))).as_py() or 0
            )
        if bounded:
            yield Check(
                "entropy_is_a_bound",
                "info",
                "Entropies are lower bounds",
                f"Of {bounded} of {answers} answers of {spec.model} the engine gave the likeliest tokens and no "
                f"entropy: their {READING} is the least that these allow.",
                values={"bounded": bounded, "answers": answers},
            )
