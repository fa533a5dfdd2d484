"""Effective mutual information row by row: which populations have enough rows, and what each row adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Observations
from llmood.measures.emi import Responses, cross_fitted_emi_terms
from llmood.measures.folds import folds_of
from llmood.questions.emi_states import EmiCaptures, EmiStates, read_states
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import NO_REFERENCE
from llmood.seeds import unit_interval

PURPOSE = "emi"
FEWEST = 20  # rows of a population
MOST = 1_000  # rows of a population that are read: of 36 populations and 576 dimensions 250 MB
MOST_FITTED = 2_500  # rows of all populations that channels are fitted on
MOST_COMPARED = 500  # rows of each set of a divergence
FEW = f"fewer than {FEWEST} rows have all their vectors"
SHOWN = 3  # reasons, in a message
NO_REFERENCES = (
    "none of its rows has a reference to hold an answer against: 'fields: {references: COLUMN}' in the task's YAML "
    "names them"
)
ALONE = "its rows are of too few groups: one of them would be alone in its fold"


@dataclass(frozen=True, slots=True)
class EmiRows:
    """The rows of all populations that can be measured.

    Attributes:
        read: by task, what was read of it, measured or not.
        populations: those that are measured, in the benchmark's order.
        member: which of them each row is of, (n,).
        groups: of each row.
        terms: what each row adds to the EMI of its population, (n,); None where `reason` says why there are none.
        fitted_on: how many rows the channels were fitted on, all folds together.
        excluded: by task, why a population isn't measured.
    """

    read: Mapping[str, EmiStates]
    populations: tuple[Population, ...]
    member: NDArray[np.int64]
    groups: tuple[str, ...]
    excluded: Mapping[str, str]
    terms: Floats | None = None
    fitted_on: int = 0
    reason: str | None = None

    def place(self, population: Population) -> int | None:
        """Its number among those that are measured; None where it isn't one of them."""
        return next((at for at, one in enumerate(self.populations) if one.task == population.task), None)

    def why_not(self, population: Population) -> str:
        """Why it has no EMI."""
        return self.excluded.get(population.task) or self.reason or FEW

    def of(self, *places: int) -> tuple[Floats, NDArray[np.int64], list[str]]:
        """The rows of these populations: their terms, which population each is of, and their groups."""
        own = np.isin(self.member, places)
        groups = [group for group, mine in zip(self.groups, own.tolist(), strict=True) if mine]
        terms = np.empty(0) if self.terms is None else self.terms[own]
        return terms, self.member[own], groups

    def reasons(self, population: Population) -> dict[str, int]:
        """Why rows of it were left out, and how many for each reason."""
        return dict(sorted(Counter(self.read[population.task].lacking.values()).items()))

    @property
    def compared(self) -> int:
        """How many rows of each population its divergences are of: as many as of every other."""
        return min([MOST_COMPARED, *(len(self.read[one.task].rows) for one in self.populations)])


def emi_rows(
    scored: ScoredBenchmark, observations: Observations, captures: EmiCaptures, seed: int
) -> EmiRows:
    """Read the vectors of a benchmark's populations, and judge each row by a channel that never saw it.

    Args:
        observations: those of the measured samples, in their order.
    """
    everyone = (scored.id, *scored.ood)
    read = {
        one.task: read_states(observations, captures, _chosen(scored, one, MOST, seed)) for one in everyone
    }
    excluded = {task: _too_few(states) for task, states in read.items() if len(states.rows) < FEWEST}
    while True:
        kept = tuple(one for one in everyone if one.task not in excluded)
        member = np.repeat(np.arange(len(kept)), [len(read[one.task].rows) for one in kept])
        rows = np.concatenate([np.empty(0, np.int64), *(read[one.task].rows for one in kept)])
        groups: list[str] = scored.groups[rows].tolist()
        folds = folds_of(groups, member)
        alone = [one.task for place, one in enumerate(kept) if _alone(folds[member == place])]
        if not alone:
            break
        excluded |= dict.fromkeys(alone, ALONE)
    found = EmiRows(read, kept, member, tuple(groups), excluded)
    return _with_terms(found, folds, seed) if kept else found


def compared_rows(found: EmiRows, scored: ScoredBenchmark, one: Population, seed: int) -> EmiStates:
    """So many rows of a population as of every other: of more rows, a divergence would be smaller."""
    states = found.read[one.task]
    order = _order(scored.groups[states.rows].tolist(), seed)
    kept = np.sort(order[: found.compared])
    parts = {name: each[kept] for name, each in states.parts.items()}
    return EmiStates(states.rows[kept], parts, states.answers[kept], states.references[kept], {})


def _with_terms(found: EmiRows, folds: NDArray[np.int64], seed: int) -> EmiRows:
    states = [found.read[one.task] for one in found.populations]
    learned = np.zeros(len(found.groups), np.bool_)
    learned[_order(list(found.groups), seed, "fitted")[:MOST_FITTED]] = True
    together = Responses(
        np.concatenate([each.prompts for each in states]),
        np.concatenate([each.answers for each in states]),
        np.concatenate([each.references for each in states]),
    )
    try:
        terms = cross_fitted_emi_terms(together, found.member, folds, learned=learned)
    except ValueError as error:
        return replace(found, reason=str(error))
    return replace(found, terms=terms, fitted_on=int(learned.sum()))


def _too_few(states: EmiStates) -> str:
    """Why a population has fewer rows than are needed, the commonest reasons first."""
    lacking = Counter(states.lacking.values())
    if NO_REFERENCE in lacking and not len(states.rows):
        return NO_REFERENCES
    reasons = ", ".join(f"{reason}: {count}" for reason, count in lacking.most_common(SHOWN))
    return f"{FEW} ({reasons})" if reasons else FEW


def _chosen(scored: ScoredBenchmark, one: Population, most: int, seed: int) -> NDArray[np.int64]:
    """At most so many rows, by hash of their groups: what a shift was made from is chosen with it."""
    return np.asarray(one.rows[_order(scored.groups[one.rows].tolist(), seed)[:most]])


def _order(groups: list[str], seed: int, *purpose: str) -> NDArray[np.intp]:
    return np.argsort([unit_interval(seed, PURPOSE, *purpose, group) for group in groups], kind="stable")


def _alone(folds: NDArray[np.int64]) -> bool:
    """Whether a row has none beside it in its fold, whose pairing with the others' is what CLUB is about."""
    return bool((np.bincount(folds) == 1).any()) or len(np.unique(folds)) < 2
