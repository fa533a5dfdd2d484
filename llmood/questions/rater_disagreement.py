"""Is the model unsure where people disagree? Scores against raters' votes, in each population that has some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.config import BootstrapConfig
from llmood.measures.votes import vote_entropy
from llmood.metrics import UndefinedMetric, bootstrap_interval, metrics_registry, spearman_interval
from llmood.questions.errors import interval_entries
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.on_adapter import is_on_adapter
from llmood.seeds import derive_seed

QUESTION = "rater_disagreement"
CORRELATION = "spearman_disagreement"
SPLIT = "auroc_split_votes"
METRICS = (CORRELATION, SPLIT)
NO_VOTES, ONE_VOTE, NO_SCORE = "no votes", "one vote", "no score"
FEW = "fewer than two independent groups of rows with {} votes have a score"

Votes = Sequence[Sequence[int] | None]


@dataclass(frozen=True, slots=True)
class _Rated:
    """The rows of a population that are scored and have two votes or more.

    Attributes:
        entropy: of their votes, in bits.
        left_out: why others are not among them → how many.
    """

    scores: Floats
    entropy: Floats
    groups: list[str]
    left_out: dict[str, int]

    @property
    def split(self) -> NDArray[np.bool_]:
        """Whose raters disagree."""
        return self.entropy > 0.0


def rater_disagreement(
    scored: ScoredBenchmark,
    votes: Votes,
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """Of each population with votes, and each scorer: the rank correlation with their entropy, and who is above whom.

    Args:
        votes: of each sample, how many raters were for each answer; none or null where nobody was asked.
        on_step: called once a population and scorer.
    """
    settings = {"draws": bootstrap.draws, "level": bootstrap.level}
    for one in rated_populations(scored, votes):
        for scorer in rated_scorers(scored):
            rated = _rated(scored, votes, one, scorer)
            own = {**settings, "seed": disagreement_seed(seed, one.task)}
            yield _record(scored, one, scorer, rated, CORRELATION, _correlation(rated, own))
            yield _record(scored, one, scorer, rated, SPLIT, _detection(rated, own))
            on_step()


def disagreement_seed(seed: int, task: str) -> int:
    """The seed of all resamples of one population, from the run's."""
    return derive_seed(seed, "bootstrap", QUESTION, task)


def rated_populations(scored: ScoredBenchmark, votes: Votes) -> list[Population]:
    """Those in which a row has votes."""
    return [one for one in (scored.id, *scored.ood) if any(votes[row] for row in one.rows.tolist())]


def rated_scorers(scored: ScoredBenchmark) -> list[str]:
    """All but those of further adapters."""
    return [name for name in scored.scores if not is_on_adapter(name)]


def _rated(scored: ScoredBenchmark, votes: Votes, one: Population, scorer: str) -> _Rated:
    reasons: Counter[str] = Counter()
    kept = []
    for row in one.rows.tolist():
        total = sum(votes[row] or ())
        reason = NO_VOTES if total == 0 else ONE_VOTE if total == 1 else None
        if reason is None and np.isnan(scored.scores[scorer][row]):
            reason = NO_SCORE
        if reason is None:
            kept.append(row)
        else:
            reasons[reason] += 1
    return _Rated(
        scored.scores[scorer][kept],
        vote_entropy([votes[row] or () for row in kept]),
        scored.groups[kept].tolist(),
        dict(sorted(reasons.items())),
    )


def _correlation(rated: _Rated, settings: dict[str, Any]) -> dict[str, Any]:
    try:
        return interval_entries(
            spearman_interval(rated.scores, rated.entropy, groups=rated.groups, **settings)
        )
    except UndefinedMetric as error:
        return {"value": None, "reason": error.reason}


def _detection(rated: _Rated, settings: dict[str, Any]) -> dict[str, Any]:
    """The AUROC of split votes against unanimous ones."""
    groups = np.array(rated.groups)
    for name, own in (("unanimous", ~rated.split), ("split", rated.split)):
        if len(np.unique(groups[own])) < 2:
            return {"value": None, "reason": FEW.format(name)}
    # One population: how many votes are split varies from resample to resample.
    auroc = replace(metrics_registry.get("auroc"), question=QUESTION, positive_class="split", pooled=True)
    return interval_entries(
        bootstrap_interval(auroc, rated.scores, rated.split, groups=rated.groups, **settings)
    )


def _record(
    scored: ScoredBenchmark,
    one: Population,
    scorer: str,
    rated: _Rated,
    metric: str,
    entries: dict[str, Any],
) -> MetricRecord:
    return MetricRecord(
        **scored.about(one),
        question=QUESTION,
        scorer=scorer,
        metric=metric,
        params={"left_out": rated.left_out},
        n=len(rated.scores),
        n_negative=int((~rated.split).sum()),
        n_positive=int(rated.split.sum()),
        n_unscored=sum(rated.left_out.values()),
        positive_class="split",
        higher_is_better=True,
        **entries,
    )
