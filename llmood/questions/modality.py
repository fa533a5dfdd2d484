"""Which side of the input is new, the picture or the question? And do scores look at the picture at all?

Of each part a scorer has its own AUROC against ID: it learned from that part of `train`, and the same part of ID stands
beside it. The verdict is by a rule that was fixed beforehand (`verdict_of`), of the scorer that the configuration names
first among those that read both parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from llmood.config import BootstrapConfig
from llmood.metrics import UndefinedMetric, bootstrap_interval, mean_bootstrap
from llmood.modality_config import OTHERS
from llmood.picture_records import Control
from llmood.questions.errors import interval_entries
from llmood.questions.ood_detection import (
    HEADLINE,
    NONE_SCORED,
    TOO_FEW,
    resample_seed,
    scored_nearly_all,
)
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.on_part import Profile
from llmood.seeds import derive_seed

Verdict = Literal["picture", "question", "both", "neither"]

QUESTION = "modality"
ON_PART = "auroc_on_part"
NEW_SIDES = "new_sides"
CHANGE = "score_change"
TEXT, IMAGE, BOTH = SIDES = ("text", "image", "both")
CONTROL_OF: Mapping[str, Control | None] = {TEXT: "blank", IMAGE: "no_question", BOTH: None}
CHANCE = 0.5
SIDES_OF: Mapping[Verdict, float] = {"neither": 0.0, "picture": 1.0, "question": 1.0, "both": 2.0}


@dataclass(frozen=True, slots=True)
class PartScores:
    """What the scorers of a profile say of each part.

    Attributes:
        scores: by (scorer, control), float64 (samples,), NaN where unscored; of no control, of the whole.
    """

    profile: Profile
    scores: Mapping[tuple[str, Control | None], Floats]


def verdict_of(text_low: float, image_low: float) -> Verdict:
    """A side is new where the lower end of its AUROC's interval, of ID's part against the population's, is above 0.5.

    Of a population that is drawn as ID each side is called new in half of what the interval leaves out: with 95 %
    intervals neither is in about 95 of 100.

    >>> verdict_of(0.48, 0.91), verdict_of(0.7, 0.7), verdict_of(0.5, 0.2)
    ('picture', 'both', 'neither')
    """
    picture, question = image_low > CHANCE, text_low > CHANCE
    if picture and question:
        return "both"
    return "picture" if picture else "question" if question else "neither"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every record is made of."""

    scored: ScoredBenchmark
    parts: PartScores
    bootstrap: BootstrapConfig
    seed: int


def modality(
    scored: ScoredBenchmark,
    parts: PartScores,
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """AUROC of each part of each OOD population and what follows of them; then how far other pictures move scores."""
    asked = _Asked(scored, parts, bootstrap, seed)
    for ood in scored.ood:
        for name in parts.profile.scorers:
            yield from _sides(asked, ood, name)
            on_step()
    for population in (scored.id, *scored.ood):
        for name, control in parts.scores:
            if control in OTHERS:
                yield _change(asked, population, name, control)


def steps_of(scored: ScoredBenchmark, parts: PartScores) -> int:
    """How often `on_step` is called."""
    return len(scored.ood) * len(parts.profile.scorers)


def _sides(asked: _Asked, ood: Population, name: str) -> Iterator[MetricRecord]:
    found = {side: _on_part(asked, ood, name, side) for side in SIDES}
    yield from (record for record in found.values() if record is not None)
    text, image = found[TEXT], found[IMAGE]
    if text is not None and image is not None:
        yield _verdict(asked, ood, text, image)


def _on_part(asked: _Asked, ood: Population, name: str, side: str) -> MetricRecord | None:
    """The AUROC of one part; None where the run wasn't asked for it."""
    control, scored = CONTROL_OF[side], asked.scored
    about = {
        "scorer": name,
        "metric": ON_PART,
        "slice": side,
        "positive_class": "ood",
        "higher_is_better": True,
    }
    if control is not None and (name, control) in asked.parts.profile.left_out:
        reason = f"left out: {asked.parts.profile.left_out[name, control]}"
        return _record(asked, ood, **about, value=None, reason=reason, n=0)
    if (name, control) not in asked.parts.scores:
        return None
    contrast = replace(scored, scores={name: asked.parts.scores[name, control]}).contrast(ood, name)
    try:
        interval = bootstrap_interval(
            HEADLINE,
            contrast.scores,
            contrast.is_ood,
            groups=contrast.groups.tolist(),
            draws=asked.bootstrap.draws,
            level=asked.bootstrap.level,
            seed=resample_seed(asked.seed, scored, ood),
        )
        entries = interval_entries(interval)
    except UndefinedMetric as error:
        entries = {"value": None, "reason": error.reason if len(contrast.scores) else NONE_SCORED}
    return _record(
        asked,
        ood,
        **about,
        **entries,
        params={"nearly_all": scored_nearly_all(contrast, scored, ood)},
        n=len(contrast.scores),
        n_negative=contrast.n_negative,
        n_positive=contrast.n_positive,
        n_unscored=contrast.n_unscored,
    )


def _verdict(asked: _Asked, ood: Population, text: MetricRecord, image: MetricRecord) -> MetricRecord:
    """How many sides are new, 0 to 2, and which."""
    reason = _undecided(text) or _undecided(image)
    verdict: Verdict | None = None
    if reason is None and text.ci_low is not None and image.ci_low is not None:
        verdict = verdict_of(text.ci_low, image.ci_low)
    params = {
        "verdict": verdict,
        "decides": text.scorer == asked.parts.profile.deciding,
        "text": text.value,
        "image": image.value,
    }
    return _record(
        asked,
        ood,
        scorer=text.scorer,
        metric=NEW_SIDES,
        params=params,
        value=None if verdict is None else SIDES_OF[verdict],
        reason=reason,
        n=min(text.n, image.n),
        n_unscored=max(text.n_unscored, image.n_unscored),
    )


def _undecided(record: MetricRecord) -> str | None:
    """Why a part doesn't say whether it is new; None where it does."""
    if record.value is None or record.ci_low is None:
        return f"of the {record.slice} part: {record.reason}"
    return None if record.params["nearly_all"] else f"of the {record.slice} part: {TOO_FEW}"


def _change(asked: _Asked, population: Population, name: str, control: Control) -> MetricRecord:
    """How much higher a scorer scores the same samples with another picture."""
    whole, values = asked.parts.scores[name, None], asked.parts.scores[name, control]
    before, after = whole[population.rows], values[population.rows]
    kept = ~np.isnan(before) & ~np.isnan(after)
    before, after = before[kept], after[kept]
    try:
        interval = mean_bootstrap(
            after - before,
            groups=asked.scored.groups[population.rows[kept]].tolist(),
            draws=asked.bootstrap.draws,
            level=asked.bootstrap.level,
            seed=derive_seed(asked.seed, "bootstrap", population.task, control),
        )
        entries = interval_entries(interval)
    except UndefinedMetric:
        entries = {"value": None, "reason": NONE_SCORED}
    own = whole[asked.scored.id.rows]
    own = own[~np.isnan(own)]
    # A score's unit says nothing by itself: the spread of ID's own scores does.
    spread = float(own.std(ddof=1)) if len(own) > 1 else None
    value = entries["value"]
    params = {
        "standard_deviation_id": spread,
        "in_standard_deviations": None if value is None or not spread else value / spread,
        "share_higher": float((after > before).mean()) if len(after) else None,
        "share_unmoved": float((after == before).mean()) if len(after) else None,
    }
    unscored = int((~kept).sum())
    return _record(
        asked,
        population,
        scorer=name,
        metric=CHANGE,
        slice=control,
        params=params,
        **entries,
        n=len(after),
        n_unscored=unscored,
    )


def _record(asked: _Asked, population: Population, **entries: Any) -> MetricRecord:
    return MetricRecord(**asked.scored.about(population), question=QUESTION, **entries)
