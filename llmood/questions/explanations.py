"""Why a scorer gives a sample its score, of the samples that the report shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmood.engines.observations import Observations
from llmood.explanation_records import Explanation, Telling
from llmood.questions.mistakes import mistakes
from llmood.questions.populations import ScoredBenchmark
from llmood.records import CaptureSpec
from llmood.scorers.base import Scorer
from llmood.scorers.by_token import HasTokens
from llmood.scorers.neighbours import NOBODY, HasNeighbours
from llmood.scorers.on_adapter import OnAdapter

FILE = "explanations.json"
NEAREST = 1  # how many neighbours of each sample are written
TELLING = 8  # how many tokens


def explain(
    scored: ScoredBenchmark,
    observations: Observations,
    scorers: Mapping[str, Scorer],
    pieces: Mapping[int, str],
) -> list[Explanation]:
    """What each scorer that can explain says of the samples that the report shows, sample by sample.

    Args:
        observations: of the scored samples, in their order.
        scorers: fitted.
        pieces: token id → its text; a sample with a telling token that isn't there is not explained by tokens.
    """
    ids = observations.samples["sample_id"].to_pylist()
    shown = list(dict.fromkeys(ids[row] for row in mistakes(scored).tolist()))
    if not shown:
        return []
    rows = observations.only(shown)
    place = {sample_id: number for number, sample_id in enumerate(shown)}
    own = {name: scorer for name, scorer in scorers.items() if not isinstance(scorer, OnAdapter)}
    found = [
        explanation
        for name, scorer in own.items()
        if isinstance(scorer, HasNeighbours)
        for explanation in _nearest(name, scorer, rows, NEAREST)
    ]
    told: set[tuple[CaptureSpec, ...]] = set()
    for name, scorer in own.items() if pieces else ():
        # Variants of the same captures differ in what they add up, and tell the same tokens.
        if isinstance(scorer, HasTokens) and scorer.needs not in told:
            told.add(scorer.needs)
            found += _telling(name, scorer, rows, pieces)
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


def _telling(
    name: str, scorer: Scorer, rows: Observations, pieces: Mapping[int, str]
) -> Iterator[Explanation]:
    assert isinstance(scorer, HasTokens)  # noqa: S101 - no type is both otherwise
    for block in rows.blocks(scorer.needs):
        found = scorer.by_token(block)
        for row, sample_id in enumerate(block.samples["sample_id"].to_pylist()):
            places = found.largest(row, TELLING)
            tokens = places + found.offsets[row]
            texts = [pieces.get(number) for number in found.ids[tokens].tolist()]
            told = [
                Telling(place, text, value)
                for place, text, value in zip(
                    places.tolist(), texts, found.values[tokens].tolist(), strict=True
                )
                if text is not None
            ]
            if told and len(told) == len(texts):
                yield Explanation(sample_id, name, "tokens", tokens=told)
