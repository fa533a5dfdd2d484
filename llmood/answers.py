"""The tuned model's own answers, as the store holds them."""

from __future__ import annotations

import pyarrow as pa

from llmood.engines.observations import Observations
from llmood.judging.asked import answers_spec

HELD = ("text", "finish", "status", "reason")


def answers_of(observations: Observations) -> pa.Table | None:
    """A row a sample that was asked, in the samples' order: `sample_id`, `split`, `text`, `finish`, `status`, `reason`.

    Returns:
        None where no answers were asked for.

    Raises:
        StoreError: the store no longer has them.
    """
    spec = answers_spec(observations)
    if spec is None:
        return None
    parts = []
    for block in observations.having(spec).blocks([spec], {spec.kind: list(HELD)}):
        part = block.samples.select(["sample_id", "split"]).replace_schema_metadata(None)
        for name in HELD:
            part = part.append_column(name, block[spec][name])
        parts.append(part.append_column("place", pa.array(block.positions)))
    if not parts:
        return None
    return pa.concat_tables(parts).sort_by("place").drop_columns("place")
