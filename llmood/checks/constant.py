"""Does a scorer tell any two samples apart?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmood.checks.base import CheckInput, checks
from llmood.records import OK, Check
from llmood.scorers.on_adapter import BETWEEN

MEANT = "constant"


@checks.register("constant_scores")
def constant_scores(given: CheckInput) -> Iterator[Check]:
    """One and the same score for all is an AUROC of 0.5, which looks like a scorer that tried."""
    for column in given.columns:
        values = column.values[column.status == OK]
        if column.scorer.partition(BETWEEN)[0] == MEANT or len(values) < 2 or (values != values[0]).any():
            continue
        same = float(values[0])
        yield Check(
            code="constant_scores",
            severity="warning",
            title="A constant score",
            detail=f"{column.scorer} gives all {len(values)} samples that it scores the same score, {same:.6g}: it "
            "tells no two of them apart.",
            values={
                "scorer": column.scorer,
                "samples": len(values),
                "score": same if np.isfinite(same) else str(same),
            },
        )
