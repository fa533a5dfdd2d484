"""Is OOD text harder to detect where the base model knows it? AUROC in thirds of each OOD population.

A question and a metric of its own, beside the slice: whoever asks for `ood_detection`, for `auroc` or for what has no
slice gets the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.config import BootstrapConfig
from llmood.metrics import Interval, UndefinedMetric, auroc_gap_interval, bootstrap_interval, thirds
from llmood.questions.errors import interval_entries
from llmood.questions.ood_detection import HEADLINE, resample_seed
from llmood.questions.populations import Contrast, Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.on_adapter import is_on_adapter

QUESTION = "familiarity"
IN_SLICE = "auroc_in_slice"
GAP = "auroc_familiarity_gap"
BASE = "likelihood.base.mean"
FAMILIAR, MIDDLE, UNFAMILIAR = SLICES = ("familiar", "middle", "unfamiliar")


@dataclass(frozen=True, slots=True)
class BaseLikelihood:
    """How unlikely the base model finds each sample, per token.

    Attributes:
        values: float64 (samples,), NaN where it is not known.
        reasons: (samples,), why not.
    """

    values: Floats
    reasons: NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class _Sliced:
    """One OOD population in thirds by base likelihood, whatever a scorer says of it.

    Attributes:
        parts: the population of each slice.
        ranges: each slice's lowest and highest base likelihood, None where it is infinite or the slice empty.
        not_sliced: why samples are in no slice → how many.
    """

    whole: Population
    parts: dict[str, Population]
    ranges: dict[str, tuple[float | None, float | None]]
    not_sliced: dict[str, int]


def familiarity(
    scored: ScoredBenchmark,
    base: BaseLikelihood,
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """AUROC of each slice of each OOD population against all ID samples, and the gap between the outer slices."""
    for ood in scored.ood:
        sliced = _slice(ood, base)
        for scorer in sliced_scorers(scored):
            yield from _of_scorer(scored, sliced, scorer, bootstrap, seed)
            on_step()


def sliced_scorers(scored: ScoredBenchmark) -> list[str]:
    """Those on the first adapter; `slice` says which part of the samples, and can't say over which adapters as well."""
    return [name for name in scored.scores if not is_on_adapter(name)]


def _slice(ood: Population, base: BaseLikelihood) -> _Sliced:
    values = base.values[ood.rows]
    known = ~np.isnan(values)
    # Of those that have one: a sample that a scorer left unscored is in its slice all the same.
    part = thirds(values[known])
    rows, likelihoods = ood.rows[known], values[known]
    parts, ranges = {}, {}
    for place, name in enumerate(SLICES):
        parts[name] = replace(ood, rows=rows[part == place])
        ranges[name] = _range(likelihoods[part == place])
    reasons = Counter(str(reason) for reason in base.reasons[ood.rows[~known]])
    return _Sliced(ood, parts, ranges, dict(reasons.most_common()))


def _range(values: Floats) -> tuple[float | None, float | None]:
    if not len(values):
        return None, None
    low, high = (float(end) if np.isfinite(end) else None for end in (values.min(), values.max()))
    return low, high


def _of_scorer(
    scored: ScoredBenchmark, sliced: _Sliced, scorer: str, bootstrap: BootstrapConfig, seed: int
) -> Iterator[MetricRecord]:
    settings = {
        "draws": bootstrap.draws,
        "level": bootstrap.level,
        "seed": resample_seed(seed, scored, sliced.whole),
    }
    contrasts = {name: scored.contrast(part, scorer) for name, part in sliced.parts.items()}
    for name, contrast in contrasts.items():
        low, high = sliced.ranges[name]
        yield _record(
            scored,
            sliced,
            scorer,
            [contrast],
            slice=name,
            metric=IN_SLICE,
            params={"from": low, "to": high},
            higher_is_better=True,
            **_entries(partial(_auroc, contrast, settings)),
        )
    ends = [contrasts[FAMILIAR], contrasts[UNFAMILIAR]]
    yield _record(
        scored,
        sliced,
        scorer,
        ends,
        metric=GAP,
        params={"n_familiar": ends[0].n_positive, "n_unfamiliar": ends[1].n_positive},
        **_entries(partial(_gap, ends[0], ends[1], settings)),
    )


def _entries(measured: Callable[[], Interval]) -> dict[str, Any]:
    try:
        return interval_entries(measured())
    except UndefinedMetric as error:
        return {"value": None, "reason": error.reason}


def _auroc(contrast: Contrast, settings: dict[str, Any]) -> Interval:
    if not contrast.n_positive:
        raise UndefinedMetric("no scored OOD sample is in this slice")
    return bootstrap_interval(
        HEADLINE, contrast.scores, contrast.is_ood, groups=contrast.groups.tolist(), **settings
    )


def _gap(familiar: Contrast, unfamiliar: Contrast, settings: dict[str, Any]) -> Interval:
    is_id = ~familiar.is_ood
    return auroc_gap_interval(
        familiar.scores[is_id],
        familiar.scores[familiar.is_ood],
        unfamiliar.scores[unfamiliar.is_ood],
        groups=[*familiar.groups.tolist(), *unfamiliar.groups[unfamiliar.is_ood].tolist()],
        **settings,
    )


def _record(
    scored: ScoredBenchmark,
    sliced: _Sliced,
    scorer: str,
    contrasts: Sequence[Contrast],
    *,
    params: dict[str, Any],
    **entries: Any,
) -> MetricRecord:
    """A record of one slice or of two, which have the ID samples in common."""
    ood, n_id = sliced.whole, contrasts[0].n_negative
    id_unscored = len(scored.id.rows) - n_id
    n_ood = sum(contrast.n_positive for contrast in contrasts)
    return MetricRecord(
        **scored.about(ood),
        question=QUESTION,
        scorer=scorer,
        params={"by": BASE, **params, "not_sliced": sliced.not_sliced},
        n=n_id + n_ood,
        n_negative=n_id,
        n_positive=n_ood,
        n_unscored=id_unscored + sum(contrast.n_unscored - id_unscored for contrast in contrasts),
        positive_class="ood",
        **entries,
    )
