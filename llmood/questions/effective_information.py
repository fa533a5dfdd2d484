"""Do answers go with their prompts as the references do, and how much of that does each shift take?

EMI of each population; of each OOD one EMID, beside the bound that four divergences give; and over all of them, how
far EMID goes with the bound. Sources: `measures.emi`, `measures.emid_bound`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmood.config import BootstrapConfig
from llmood.engines.observations import Observations
from llmood.measures.emi import emid
from llmood.measures.emid_bound import emid_bound
from llmood.measures.representation_jsd import representation_jsd
from llmood.metrics import UndefinedMetric, bootstrap_interval, loss_correlations, mean_bootstrap
from llmood.metrics.loss_correlation import CORRELATIONS, LEAST_SHIFTS
from llmood.questions.emi_populations import EmiRows, compared_rows, emi_rows
from llmood.questions.emi_states import EmiCaptures
from llmood.questions.errors import interval_entries
from llmood.questions.ood_detection import resample_seed
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import SHIFTS, MetricRecord
from llmood.seeds import derive_seed

QUESTION = "effective_mutual_information"
EMI, EMID, BOUND, FULL_BOUND = "emi", "emid", "emid_bound", "emid_full_bound"
WITH_BOUND: Mapping[str, str] = {name: f"emid_bound_{name}" for name in CORRELATIONS}
METRICS = (EMI, EMID, BOUND, FULL_BOUND, *WITH_BOUND.values())
SLICED = "shift:"
NO_INTERVAL = "rows that are drawn twice fill fewer directions: resamples would be farther apart"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every record is made of.

    Attributes:
        told: what each says of the vectors.
        settings: of the bootstrap, without its seed.
    """

    scored: ScoredBenchmark
    found: EmiRows
    told: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int

    def why_no_pair(self, ood: Population) -> str:
        """Why ID and this one can't be compared."""
        home = self.scored.id
        if self.found.place(home) is None and self.found.place(ood) is not None:
            return f"the ID task: {self.found.why_not(home)}"
        return self.found.why_not(ood)


def effective_information(
    scored: ScoredBenchmark,
    observations: Observations,
    captures: EmiCaptures,
    bootstrap: BootstrapConfig,
    seed: int,
    *,
    entropy: float | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """All that there is to say of a benchmark's populations.

    Args:
        observations: those of the measured samples, in their order.
        entropy: of the full bound.
        on_step: called once a population.
    """
    found = emi_rows(scored, observations, captures, seed)
    told = {"states": captures.role, "parts": list(captures.parts), "fitted_on": found.fitted_on}
    asked = _Asked(scored, found, told, {"draws": bootstrap.draws, "level": bootstrap.level}, seed)
    bounds: dict[str, float] = {}
    for one in (scored.id, *scored.ood):
        yield _emi(asked, one)
        if one is not scored.id:
            yield _emid(asked, one)
            for record in _bounds(asked, one, entropy):
                if record.metric == BOUND and record.value is not None:
                    bounds[one.task] = record.value
                yield record
        on_step()
    yield from _correlations(asked, bounds)


def _emi(asked: _Asked, one: Population) -> MetricRecord:
    found, place = asked.found, asked.found.place(one)
    states = found.read[one.task]
    if place is None or found.terms is None:
        entries: dict[str, Any] = {"value": None, "reason": found.why_not(one)}
    else:
        terms, _, groups = found.of(place)
        seed = derive_seed(asked.seed, "bootstrap", QUESTION, one.task)
        entries = interval_entries(mean_bootstrap(terms, groups=groups, seed=seed, **asked.settings))
    return MetricRecord(
        **asked.scored.about(one),
        question=QUESTION,
        scorer=None,
        metric=EMI,
        params={**asked.told, "unscored": found.reasons(one)},
        n=len(states.rows),
        n_unscored=len(states.lacking),
        **entries,
    )


def _emid(asked: _Asked, ood: Population) -> MetricRecord:
    home, away = asked.found.place(asked.scored.id), asked.found.place(ood)
    if home is None or away is None or asked.found.terms is None:
        return _of_pair(asked, ood, EMID, value=None, reason=asked.why_no_pair(ood))
    terms, member, groups = asked.found.of(home, away)
    seed = resample_seed(asked.seed, asked.scored, ood)
    interval = bootstrap_interval(emid, terms, member == away, groups=groups, seed=seed, **asked.settings)
    return _of_pair(asked, ood, EMID, **interval_entries(interval))


def _bounds(asked: _Asked, ood: Population, entropy: float | None) -> Iterator[MetricRecord]:
    constants = {BOUND: None} if entropy is None else {BOUND: None, FULL_BOUND: entropy}
    if asked.found.place(asked.scored.id) is None or asked.found.place(ood) is None:
        for name in constants:
            yield _of_pair(asked, ood, name, value=None, reason=asked.why_no_pair(ood))
        return
    ours, theirs = (
        compared_rows(asked.found, asked.scored, one, asked.seed) for one in (asked.scored.id, ood)
    )
    inputs = {name: representation_jsd(ours.parts[name], theirs.parts[name]) for name in ours.parts}
    answers = [representation_jsd(each.answers, each.references) for each in (ours, theirs)]
    divergences = {**inputs, "answers_id": answers[0], "answers_ood": answers[1]}
    params = {"divergences": divergences, "rows": asked.found.compared}
    for name, constant in constants.items():
        value = emid_bound(list(inputs.values()), *answers, entropy=constant)
        own = params if constant is None else {**params, "entropy": constant}
        yield _of_pair(asked, ood, name, own, value=value, reason=NO_INTERVAL)


def _correlations(asked: _Asked, bounds: Mapping[str, float]) -> Iterator[MetricRecord]:
    """Over all OOD populations that have both, and over those of one kind of shift where there are enough."""
    known = [place for place, one in enumerate(asked.found.populations) if one.task in bounds]
    yield from _correlated(asked, bounds, known, {})
    for shift in SHIFTS:
        own = [place for place in known if asked.found.populations[place].shift == shift]
        if LEAST_SHIFTS <= len(own) < len(known):
            yield from _correlated(asked, bounds, own, {"shift": shift, "slice": f"{SLICED}{shift}"})


def _correlated(
    asked: _Asked, bounds: Mapping[str, float], shifts: list[int], about: Mapping[str, Any]
) -> Iterator[MetricRecord]:
    """In the intervals channels and bounds are as they are."""
    found, home = asked.found, asked.found.place(asked.scored.id)
    terms, member, groups = found.of(*([] if home is None else [home]), *shifts)
    entries: Mapping[str, dict[str, Any]]
    try:
        if home is None or found.terms is None:
            raise UndefinedMetric(found.why_not(asked.scored.id))
        number = {place: at for at, place in enumerate((home, *shifts))}
        intervals = loss_correlations(
            terms,
            np.array([number[place] for place in member.tolist()], dtype=np.int64),
            [bounds[found.populations[place].task] for place in shifts],
            groups=groups,
            seed=derive_seed(asked.seed, "bootstrap", QUESTION),
            **asked.settings,
        )
        entries = {name: interval_entries(interval) for name, interval in intervals.items()}
    except UndefinedMetric as error:
        entries = {name: {"value": None, "reason": error.reason} for name in CORRELATIONS}
    for name, metric in WITH_BOUND.items():
        yield MetricRecord(
            benchmark=asked.scored.name,
            question=QUESTION,
            scorer=None,
            id_task=asked.scored.id.task,
            metric=metric,
            params={**asked.told, "populations": [found.populations[place].task for place in shifts]},
            n=len(member),
            **about,
            **entries[name],
        )


def _of_pair(
    asked: _Asked, ood: Population, metric: str, params: Mapping[str, Any] | None = None, **entries: Any
) -> MetricRecord:
    ours, theirs = (asked.found.read[one.task] for one in (asked.scored.id, ood))
    return MetricRecord(
        **asked.scored.about(ood),
        question=QUESTION,
        scorer=None,
        metric=metric,
        params={**asked.told, **(params or {})},
        n=len(ours.rows) + len(theirs.rows),
        n_negative=len(ours.rows),
        n_positive=len(theirs.rows),
        n_unscored=len(ours.lacking) + len(theirs.lacking),
        positive_class="ood",
        **entries,
    )
