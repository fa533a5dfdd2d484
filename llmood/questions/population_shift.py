"""Does a whole population look unlike ID, whatever any single score says? From states, and from the model's confidence.

Of each OOD population: MMD of a state with its permutation test, ActMAD's mismatch of activations, and how much of it a
threshold takes for rows that the model was tuned on. Only where a run has captured what these read anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from llmood.engines.observations import Observations
from llmood.measures.activation_mismatch import activation_mismatch
from llmood.measures.membership import MembershipThreshold, mistaken_for_members, youden_threshold
from llmood.measures.mmd import PERMUTATIONS, mmd
from llmood.questions.population_states import PopulationStates, states_of_populations
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.base import Probability, Scorer
from llmood.seeds import derive_generator, unit_interval

QUESTION = "population"
MMD = "mmd"
MISMATCH = "activation_mismatch"
MISTAKEN = "mistaken_for_members"
FEWEST = 10  # rows on each side


def population_shift(
    scored: ScoredBenchmark,
    observations: Observations,
    scorers: Mapping[str, Scorer],
    members: Mapping[str, Floats],
    seed: int,
) -> Iterator[MetricRecord]:
    """What there is to say of each population.

    Args:
        observations: those of the measured samples, in their order.
        scorers: what they need is what is read: states that no scorer asks for may no longer be in the store.
        members: of scorers, their scores of rows that the model was tuned on, see `readable_members`.
        seed: the run's, of what is drawn.
    """
    captures = [spec for scorer in scorers.values() for spec in scorer.needs]
    for states in states_of_populations(scored, observations, captures, seed):
        for ood in scored.ood:
            yield _mmd(scored, states, ood, seed)
            if states.layers:
                yield _mismatch(scored, states, ood)
    for scorer, scores in members.items():
        sureness = scorers[scorer].sureness
        if sureness is not None:
            yield from _mistaken(scored, scorer, sureness, scores, seed)


def readable_members(observations: Observations, scorers: Mapping[str, Scorer]) -> dict[str, Scorer]:
    """The scorers that say how sure a model is (`Scorer.sureness`), with captures of some rows of `train`."""
    train = observations.of("train")
    return {
        name: scorer
        for name, scorer in scorers.items()
        if scorer.sureness is not None
        and train.samples.num_rows
        and scorer.needs
        and all(train.has(spec) and train.having(spec).samples.num_rows for spec in scorer.needs)
    }


def _mmd(scored: ScoredBenchmark, states: PopulationStates, ood: Population, seed: int) -> MetricRecord:
    ours, theirs = states.drawn[scored.id.task], states.drawn[ood.task]
    params = {**states.params, "rows_id": len(ours), "rows_ood": len(theirs)}
    if min(len(ours), len(theirs)) < FEWEST:
        return _record(scored, ood, MMD, None, params, states.counts(scored.id, ood), reason=_few(states))
    generator = derive_generator(seed, "population", ood.task, states.name)
    # To one scale over both, which permuting can't change: a few dimensions of a model are far larger than the rest.
    both = np.concatenate([ours, theirs])
    spread = both.std(axis=0)
    both = (both - both.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    found = mmd(both[: len(ours)], both[len(ours) :], generator)
    params |= {"p_value": found.p_value, "permutations": PERMUTATIONS}
    return _record(scored, ood, MMD, found.statistic, params, states.counts(scored.id, ood))


def _mismatch(scored: ScoredBenchmark, states: PopulationStates, ood: Population) -> MetricRecord:
    counts = states.counts(scored.id, ood)
    halves = [states.statistics[half] for half in states.halves]
    params = {**states.params, "layer": None, "layers": states.layers}
    smallest = min(each.n for layers in (*halves, states.statistics[ood.task]) for each in layers)
    if smallest < FEWEST:
        return _record(scored, ood, MISMATCH, None, params, counts, reason=_few(states))
    value = activation_mismatch(states.statistics[scored.id.task], states.statistics[ood.task])
    # How much two parts of one population differ: less than this is nothing.
    params |= {"between_halves_of_id": activation_mismatch(*halves)}
    return _record(scored, ood, MISMATCH, value, params, counts)


def _few(states: PopulationStates) -> str:
    return f"fewer than {FEWEST} rows have states of {states.role} on one side"


def _mistaken(
    scored: ScoredBenchmark, scorer: str, sureness: Probability, members: Floats, seed: int
) -> Iterator[MetricRecord]:
    """Of half of ID the threshold is made, with the members; the other half and each OOD population are measured."""
    scores = scored.scores[scorer]
    groups = scored.groups[scored.id.rows].tolist()
    first = np.array([unit_interval(seed, "members", group) < 0.5 for group in groups], dtype=np.bool_)
    inside = confidence(sureness, members[~np.isnan(members)])
    outside = confidence(sureness, _known(scores[scored.id.rows[first]]))
    held = Population(scored.id.task, scored.id.shift, None, scored.id.rows[~first])
    found: MembershipThreshold | None = None
    if min(len(inside), len(outside)) >= FEWEST:
        found = youden_threshold(inside, outside)
    for population in (held, *scored.ood):
        own = confidence(sureness, _known(scores[population.rows]))
        counts = (len(own), len(population.rows) - len(own))
        params: dict[str, float | None] = {"members": len(inside), "others": len(outside)}
        if found is None or not len(own):
            reason = f"fewer than {FEWEST} rows of train, or of half of ID, have a score"
            reason = reason if found is None else "no row has a score"
            yield _record(scored, population, MISTAKEN, None, params, counts, scorer=scorer, reason=reason)
            continue
        taken = mistaken_for_members(own, found.value)
        told: dict[str, float | None] = {
            "threshold": found.value,
            "share_of_members": found.true_positives,
            "share_of_others": found.false_positives,
            "mean_confidence": taken.mean_confidence,
        }
        yield _record(scored, population, MISTAKEN, taken.rate, params | told, counts, scorer=scorer)


def confidence(sureness: Probability, scores: Floats) -> Floats:
    """How sure the model is, (n,): 1 − s, or e^−s where the score is a negative log-probability."""
    return 1.0 - scores if sureness == "complement" else np.asarray(np.exp(-scores))


def _known(scores: Floats) -> Floats:
    return np.asarray(scores[~np.isnan(scores)])


def _record(
    scored: ScoredBenchmark,
    population: Population,
    metric: str,
    value: float | None,
    params: Mapping[str, object],
    counts: tuple[int, int],
    *,
    scorer: str | None = None,
    reason: str | None = None,
) -> MetricRecord:
    return MetricRecord(
        **scored.about(population),
        question=QUESTION,
        scorer=scorer,
        metric=metric,
        params=params,
        value=value,
        reason=reason,
        n=counts[0],
        n_unscored=counts[1],
    )
