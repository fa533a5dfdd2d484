"""The scorers' places on one comparison: which is best, and which these samples can't tell from it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from numpy.typing import ArrayLike

from llmood.config import BootstrapConfig
from llmood.metrics import Metric, Ranked, UndefinedMetric, rank_scorers


def ranked(
    metric: str | Metric,
    scores: Mapping[str, ArrayLike],
    is_positive: ArrayLike,
    groups: Sequence[Hashable | None],
    bootstrap: BootstrapConfig,
    seed: int,
) -> tuple[dict[str, Ranked], str | None]:
    """The places by a metric of scores of the same samples; or none, and why."""
    try:
        places = rank_scorers(
            metric,
            scores,
            is_positive,
            groups=groups,
            draws=bootstrap.draws,
            level=bootstrap.level,
            seed=seed,
        )
    except UndefinedMetric as error:
        return {}, error.reason
    return places, None
