"""Why a scorer gives a sample its score, of the samples that the report shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmood.engines.observations import Observations
from llmood.questions.mistakes import mistakes
from llmood.questions.populations import ScoredBenchmark
from llmood.records import Explanation
from llmood.scorers.base import Scorer
from llmood.scorers.neighbours import NOBODY, HasNeighbours
from llmood.scorers.on_adapter import OnAdapter

FILE = "explanations.json"
NEAREST = 1  # how many neighbours of each sample are written


def explain(
    scored: ScoredBenchmark, observations: Observations, scorers: Mapping[str, Scorer]
) -> list[Explanation]:
    """What each scorer that can explain says of the samples that the report shows, sample by sample.

    Args:
        observations: of the scored samples, in their order.
        scorers: fitted.
    """
    ids = observations.samples["sample_id"].to_pylist()
    shown = list(dict.fromkeys(ids[row] for row in mistakes(scored).tolist()))
    if not shown:
        return []
    rows = observations.only(shown)
    place = {sample_id: number for number, sample_id in enumerate(shown)}
    found = [
        explanation
        for name, scorer in scorers.items()
        if isinstance(scorer, HasNeighbours) and not isinstance(scorer, OnAdapter)
        for explanation in _nearest(name, scorer, rows, NEAREST)
    ]
    return sorted(found, key=lambda explanation: place[explanation.sample_id])


def _nearest(name: str, scorer: Scorer, rows: Observations, count: int) -> Iterator[Explanation]:
    assert isinstance(scorer, HasNeighbours)  # noqa: S101 - no type is both otherwise
    for block in rows.blocks(scorer.needs, {**scorer.columns}):
        found = scorer.neighbours(block, count)
        names = block.samples["sample_id"].to_pylist()
        for sample_id, places, distances in zip(names, found.indices, found.distances, strict=True):
            for number, distance in zip(places.tolist(), distances.tolist(), strict=True):
                if number != NOBODY:
                    yield Explanation(
                        sample_id, name, "neighbour", of=scorer.bank_ids_[number], distance=distance
                    )
