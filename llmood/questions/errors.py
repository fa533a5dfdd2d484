"""What every record of error detection is made of: the judged answers of one population under one scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from llmood.config import BootstrapConfig
from llmood.metrics import ERROR_DETECTION, Estimate, Interval, UndefinedMetric, mean_interval
from llmood.questions.judgements import Judgements
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord

QUESTION = ERROR_DETECTION
ACCURACY = "accuracy"


@dataclass(frozen=True, slots=True)
class Answers:
    """The judged answers of one population that a scorer scored.

    Attributes:
        scorer: None where it is about the answers alone.
        rule: how they were judged.
        n_unscored: how many judged answers the scorer left unscored; without a scorer, how many are not judged.
    """

    population: Population
    scorer: str | None
    rule: str | None
    scores: Floats
    wrong: NDArray[np.bool_]
    quality: Floats
    groups: NDArray[np.str_]
    n_unscored: int

    @classmethod
    def of(
        cls,
        scored: ScoredBenchmark,
        judgements: Judgements,
        population: Population,
        scorer: str,
        also: Sequence[str] = (),
    ) -> Self:
        """Those that the scorer scored; what it or one of `also` left unscored is only counted."""
        rows = judgements.rows(population)
        values = scored.scores[scorer][rows]
        kept = ~np.isnan([values, *(scored.scores[name][rows] for name in also)]).any(axis=0)
        return cls(
            population,
            scorer,
            judgements.rule(population),
            values[kept],
            judgements.wrong[rows[kept]],
            judgements.quality[rows[kept]],
            scored.groups[rows[kept]],
            int((~kept).sum()),
        )


def answers_alone(scored: ScoredBenchmark, judgements: Judgements, population: Population) -> Answers:
    """The judged answers, whatever a scorer says of them."""
    rows = judgements.rows(population)
    return Answers(
        population,
        None,
        judgements.rule(population),
        np.full(len(rows), np.nan),
        judgements.wrong[rows],
        judgements.quality[rows],
        scored.groups[rows],
        len(population.rows) - len(rows),
    )


def judged_by(rule: str) -> str:
    """By what an answer was called right, in words."""
    return "as the imported rows say" if rule == "imported" else f"by {rule}"


def accuracy(
    scored: ScoredBenchmark,
    judgements: Judgements,
    population: Population,
    bootstrap: BootstrapConfig,
    seed: int,
) -> MetricRecord:
    """The share of right answers; `params` says what was not judged and why, and how many answers were cut off."""
    answers = answers_alone(scored, judgements, population)
    entries: dict[str, Any]
    try:
        found = mean_interval(
            (~answers.wrong).astype(np.float64),
            groups=answers.groups.tolist(),
            draws=bootstrap.draws,
            level=bootstrap.level,
            seed=seed,
        )
        entries = interval_entries(found)
    except UndefinedMetric:
        entries = {"value": None, "reason": "no answer could be judged"}
    params = {
        "not_judged": judgements.unjudged(population),
        "cut_off": int(judgements.truncated[judgements.rows(population)].sum()),
    }
    return record(scored, answers, metric=ACCURACY, params=params, higher_is_better=True, **entries)


def record(
    scored: ScoredBenchmark, answers: Answers, *, question: str = QUESTION, **entries: Any
) -> MetricRecord:
    """A record of error detection, or of another question about judged answers, on one population."""
    return MetricRecord(
        **scored.about(answers.population),
        question=question,
        scorer=answers.scorer,
        correctness=answers.rule,
        n=len(answers.wrong),
        n_negative=int((~answers.wrong).sum()),
        n_positive=int(answers.wrong.sum()),
        n_unscored=answers.n_unscored,
        **entries,
    )


def about_right(scored: ScoredBenchmark, answers: Answers, **entries: Any) -> MetricRecord:
    """The same where the positive class is "right", and not "wrong" as in error detection."""
    made = record(scored, answers, **entries)
    return replace(made, n_negative=made.n_positive, n_positive=made.n_negative)


def interval_entries(interval: Interval) -> dict[str, Any]:
    """A value and its interval as a record has them."""
    return {
        "value": interval.value,
        "reason": interval.reason,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_level": None if interval.low is None else interval.level,
        "ci_method": interval.method,
    }


def estimate_entries(estimate: Estimate, params: Mapping[str, Any]) -> dict[str, Any]:
    """A value and what is known of its uncertainty, as a record has them."""
    band = estimate.band
    if band is not None:
        expected = {"band_expected": band.expected, "band_low": band.low, "band_high": band.high}
        params = {**params, "debiased": estimate.debiased, **expected, "band_level": band.level}
    return {
        "value": estimate.value,
        "reason": estimate.reason,
        "params": params,
        "ci_low": estimate.low,
        "ci_high": estimate.high,
        "ci_level": None if estimate.low is None else estimate.level,
        "ci_method": estimate.method,
    }
