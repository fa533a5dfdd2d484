"""Do thresholds keep what they promise? On ID test, where the promise is given, and on each shift, where it isn't."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.calibration_config import CalibrationConfig
from llmood.config import BootstrapConfig
from llmood.metrics import UndefinedMetric, mean_interval
from llmood.questions.calibration_rows import CalibrationRows
from llmood.questions.error_detection import populations_of
from llmood.questions.errors import Answers, interval_entries, record
from llmood.questions.judgements import Judgements
from llmood.questions.ood_detection import NONE_SCORED
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.questions.promises import LEVEL, Promise, promises
from llmood.records import MetricRecord
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import is_on_adapter
from llmood.seeds import derive_seed

QUESTION = "promise"
FALSE_ALARMS, FLAGGED = "false_alarm_rate", "flag_rate"
PAC = "_pac"  # of the threshold that keeps its promise for all but δ of calibration sets
WRONG_ANSWERED, ERROR_AMONG_ANSWERED = "wrong_answered_rate", "error_among_answered"
METRICS = (
    *(FALSE_ALARMS, FALSE_ALARMS + PAC, FLAGGED, FLAGGED + PAC),
    *(WRONG_ANSWERED, ERROR_AMONG_ANSWERED),
)
NOTHING_ANSWERED = "nothing is answered at this threshold"


def promise(
    scored: ScoredBenchmark,
    judgements: Judgements | None,
    rows: CalibrationRows,
    config: CalibrationConfig,
    *,
    bootstrap: BootstrapConfig,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[MetricRecord]:
    """The realised rate of each threshold of each scorer on each population.

    Of ID test it is held against what was promised: `params.expected_low` to `expected_high` is where a rate of false
    alarms lies with probability `expected_level`. Of a shift `params.promised` is false: it only says what happens.
    Only the first adapter's answers are judged, so thresholds of other adapters are on false alarms alone.
    """
    for scorer in scorers_of(scored):
        judged = judgements is not None and not is_on_adapter(scorer)
        made = promises(rows, scorer, config, judged=judged)
        for population in populations_of(scored):
            own_seed = derive_seed(seed, QUESTION, population.task)
            settings = {"draws": bootstrap.draws, "level": bootstrap.level, "seed": own_seed}
            for each in made:
                if each.target == "false_alarms":
                    yield _flagged(scored, population, scorer, each, settings)
                elif judgements is not None and len(judgements.rows(population)):
                    answers = Answers.of(scored, judgements, population, scorer)
                    yield _answered(scored, answers, each, settings)
        on_step()


def scorers_of(scored: ScoredBenchmark) -> list[str]:
    """The scorers that thresholds are made of: no baseline."""
    return [name for name in scored.scores if name not in BASELINES]


def _flagged(
    scored: ScoredBenchmark,
    population: Population,
    scorer: str,
    given: Promise,
    settings: Mapping[str, Any],
) -> MetricRecord:
    """False alarms on ID, the share that is flagged on a shift."""
    values = scored.scores[scorer][population.rows]
    kept = ~np.isnan(values)
    groups = scored.groups[population.rows[kept]]
    is_id = population is scored.id
    answers = Answers(
        population,
        scorer,
        None,
        values[kept],
        np.zeros(int(kept.sum()), dtype=np.bool_),
        np.full(int(kept.sum()), np.nan),
        groups,
        int((~kept).sum()),
    )
    flagged = None if given.threshold is None else values[kept] > given.threshold.value
    entries = _mean(flagged, groups, given, settings, NONE_SCORED)
    params = _params(given, is_id=is_id)
    expected = given.expected(len(groups)) if is_id else None
    if expected is not None:
        params |= {"expected_low": expected[0], "expected_high": expected[1], "expected_level": LEVEL}
    finds = population.shift in ("near", "far")
    return record(
        scored,
        answers,
        question=QUESTION,
        metric=(FALSE_ALARMS if is_id else FLAGGED) + ("" if given.delta is None else PAC),
        params=params,
        positive_class="ood",
        # A shift that keeps the meaning needn't be flagged.
        higher_is_better=False if is_id else True if finds else None,
        **entries,
    )


def _answered(
    scored: ScoredBenchmark, answers: Answers, given: Promise, settings: Mapping[str, Any]
) -> MetricRecord:
    """How many answers are wrong where what scores above the threshold isn't answered."""
    among = given.target == "error_among_answered"
    params = _params(given, is_id=answers.population is scored.id)
    hits, groups = None, answers.groups
    if given.threshold is not None:
        answered = answers.scores <= given.threshold.value
        params["answered"] = float(answered.mean()) if len(answered) else None
        hits = answers.wrong[answered] if among else answers.wrong & answered
        groups = answers.groups[answered] if among else answers.groups
    return record(
        scored,
        answers,
        question=QUESTION,
        metric=ERROR_AMONG_ANSWERED if among else WRONG_ANSWERED,
        params=params,
        positive_class="wrong",
        higher_is_better=False,
        **_mean(
            hits, groups, given, settings, NOTHING_ANSWERED if among and len(answers.scores) else NONE_SCORED
        ),
    )


def _mean(
    hits: NDArray[np.bool_] | None,
    groups: NDArray[np.str_],
    given: Promise,
    settings: Mapping[str, Any],
    none: str,
) -> dict[str, Any]:
    """The share of hits with its interval; no value where there is no threshold, or, for the reason `none`, no row."""
    if hits is None:
        return {"value": None, "reason": given.reason}
    try:
        found = mean_interval(hits.astype(np.float64), groups=groups.tolist(), **settings)
    except UndefinedMetric:
        return {"value": None, "reason": none}
    return interval_entries(found)


def _params(given: Promise, *, is_id: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "alpha": given.alpha,
        "delta": given.delta,
        "n_calibration": given.n,
        "promised": is_id and given.threshold is not None,
    }
    if given.threshold is None:
        return {**found, "threshold": None}
    value = given.threshold.value
    # What one threshold's own rate may be, over calibration sets.
    of_one = {"rate_low": given.threshold.low, "rate_high": given.threshold.high}
    return {
        **found,
        "threshold": value if isfinite(value) else str(value),
        **(of_one if is_id else {}),
        **({"rate_level": given.threshold.level} if is_id else {}),
        "promise": given.threshold.guarantee,
    }
