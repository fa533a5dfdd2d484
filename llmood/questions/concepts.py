"""Do a few directions of train's states explain a detector?

A concept is a principal direction of the states of `train`. Two numbers: what so many concepts keep of the detector's
AUROC, and how far they set apart what it flags and what it lets pass. Source of both: `measures.concepts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmood.config import BootstrapConfig
from llmood.engines.observations import Observations
from llmood.measures.concepts import concept_separability, decoded_states, detection_completeness
from llmood.measures.subspace import Subspace, principal_subspace
from llmood.metrics import Interval, Resamples, UndefinedMetric, auroc, metric_draws, resolve_metric
from llmood.metrics.interval import percentile_ends
from llmood.questions.errors import interval_entries
from llmood.questions.ood_detection import HEADLINE, NONE_SCORED, resample_seed
from llmood.questions.populations import Contrast, Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.base import Scorer
from llmood.scorers.representation import Representation

QUESTION = "concepts"
COMPLETENESS = "concept_completeness"
SEPARABILITY = "concept_separability"
COUNTS = (2, 8, 32)  # how many concepts; of narrower states as many as they have dimensions
KEPT = 0.95  # of ID lies under the threshold above which a sample is detected
AT_CHANCE = "the detector isn't above chance, so there is nothing to keep"
SOMETIMES_AT_CHANCE = "the detector is at chance in some resamples"


@dataclass(frozen=True, slots=True)
class Explained:
    """What the concepts of one detector make of all samples.

    Attributes:
        of_decoded: number of concepts → the detector's scores of states made of them, float64 (samples,), NaN where a
            sample has no state.
        coordinates: float64 (samples, most), how far each state lies along each concept.
        shares: number of concepts → the share of train's variance along them.
    """

    of_decoded: Mapping[int, Floats]
    coordinates: Floats
    shares: Mapping[int, float]


def explained_scorers(scorers: Mapping[str, Scorer]) -> dict[str, Representation]:
    """The detectors that concepts explain: those of single states that say so, fitted, on the first adapter."""
    return {
        name: scorer
        for name, scorer in scorers.items()
        if isinstance(scorer, Representation) and scorer.by_concepts and scorer.unfit_ is None
    }


def explain_by_concepts(
    scorers: Mapping[str, Scorer], train: Observations, observations: Observations
) -> dict[str, Explained]:
    """Of each detector that concepts explain, its scores of states made of them.

    Args:
        train: the rows that they were fitted on.
        observations: of the scored samples, in their order.
    """
    found = {}
    for name, scorer in explained_scorers(scorers).items():
        try:
            matrix, mean = scorer.spread(train)
            space = principal_subspace(matrix, mean, min(max(COUNTS), len(mean)))
        except ValueError:  # the states don't vary: there is no direction
            continue
        found[name] = _explained(scorer, space, float(np.trace(matrix)), observations)
    return found


def _explained(
    scorer: Representation, space: Subspace, variance: float, observations: Observations
) -> Explained:
    total, most = observations.samples.num_rows, space.directions.shape[1]
    counts = sorted({min(count, most) for count in COUNTS})
    values = {count: np.full(total, np.nan) for count in counts}
    coordinates = np.full((total, most), np.nan)
    for block in observations.blocks(scorer.needs, {**scorer.columns}):
        rows, states, _ = scorer.readable(block)
        if not len(rows):
            continue
        places = block.positions[rows]
        coordinates[places] = (states - space.origin) @ space.directions
        for count in counts:
            values[count][places] = scorer.distances(decoded_states(states, space, count))
    # All directions hold all of it; two sums of the same differ in the last digit.
    shares = {count: min(float(space.variances[:count].sum()) / variance, 1.0) for count in counts}
    return Explained(values, coordinates, shares)


def concepts(
    scored: ScoredBenchmark,
    explained: Mapping[str, Explained],
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """Completeness and separability of each number of concepts, of each detector on each OOD population."""
    for ood in scored.ood:
        for scorer, found in explained.items():
            yield from _of_detector(scored, ood, scorer, found, bootstrap, seed)
            on_step()


def _of_detector(
    scored: ScoredBenchmark,
    ood: Population,
    scorer: str,
    found: Explained,
    bootstrap: BootstrapConfig,
    seed: int,
) -> Iterator[MetricRecord]:
    contrast = scored.contrast(ood, scorer)
    flagged = _detected(contrast)
    for count, values in found.of_decoded.items():
        params: dict[str, Any] = {"concepts": count, "variance": found.shares[count]}
        settings = (bootstrap, resample_seed(seed, scored, ood))
        entries = _completeness(contrast, values[contrast.rows], *settings)
        yield _record(scored, ood, scorer, contrast, metric=COMPLETENESS, params=params, **entries)
        params = params | {"detected": int(flagged.sum()), "let_pass": int((~flagged).sum())}
        entries = _separability(found.coordinates[contrast.rows, :count], flagged)
        yield _record(scored, ood, scorer, contrast, metric=SEPARABILITY, params=params, **entries)


def _completeness(contrast: Contrast, kept: Floats, bootstrap: BootstrapConfig, seed: int) -> dict[str, Any]:
    """(A′ − ½) / (A − ½), with a paired interval: each resample has both AUROCs of the same samples."""
    if not contrast.n_negative or not contrast.n_positive:
        return {"value": None, "reason": NONE_SCORED}
    both = (kept, contrast.scores)
    value = detection_completeness(*(auroc(each, contrast.is_ood) for each in both))
    if np.isnan(value):
        return {"value": None, "reason": AT_CHANCE}
    none = Interval(value, None, None, bootstrap.level, None, 0)
    resamples = Resamples(contrast.is_ood, contrast.groups.tolist(), draws=bootstrap.draws, seed=seed)
    if resamples.degenerate is not None:
        return {**interval_entries(none), "reason": resamples.degenerate}
    of_decoded, whole = metric_draws([resolve_metric(HEADLINE)], both, resamples)[:, 0]
    if (whole <= 0.5).any():
        return {**interval_entries(none), "reason": SOMETIMES_AT_CHANCE}
    try:
        low, high = percentile_ends((of_decoded - 0.5) / (whole - 0.5), bootstrap.level)
    except UndefinedMetric as error:
        return {**interval_entries(none), "reason": error.reason}
    return interval_entries(Interval(value, low, high, bootstrap.level, "paired_percentile", bootstrap.draws))


def _detected(contrast: Contrast) -> Any:
    """Which samples score above the threshold that keeps nineteen in twenty ID samples, bool (n,)."""
    ids = np.sort(contrast.scores[~contrast.is_ood])
    if not len(ids):
        return np.zeros(len(contrast.scores), np.bool_)
    return contrast.scores > ids[int(np.ceil(KEPT * len(ids))) - 1]


def _separability(coordinates: Floats, flagged: Any) -> dict[str, Any]:
    if not len(coordinates):
        return {"value": None, "reason": NONE_SCORED}
    try:
        return {"value": concept_separability(coordinates, flagged)}
    except ValueError as error:
        return {"value": None, "reason": str(error)}


def _record(
    scored: ScoredBenchmark, ood: Population, scorer: str, contrast: Contrast, **entries: Any
) -> MetricRecord:
    return MetricRecord(
        **scored.about(ood),
        question=QUESTION,
        scorer=scorer,
        slice=f"{entries['params']['concepts']}_concepts",
        n=len(contrast.scores),
        n_negative=contrast.n_negative,
        n_positive=contrast.n_positive,
        n_unscored=contrast.n_unscored,
        positive_class="ood",
        higher_is_better=True,
        **entries,
    )
