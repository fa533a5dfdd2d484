"""Does a score rise with the severity of a shift? For families of populations that are grades of one shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.config import BootstrapConfig
from llmood.metrics import UndefinedMetric, score_shift_interval, spearman
from llmood.questions.ood_detection import resample_seed
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord

QUESTION = "severity"
CORRELATION = "spearman_severity"
SHIFT = "score_shift"


@dataclass(frozen=True, slots=True)
class Family:
    """The grades of one shift, mildest first.

    Attributes:
        origin: grade 0: the population that the others were made from, else the ID population.
    """

    name: str
    origin: Population
    grades: tuple[Population, ...]


def families(scored: ScoredBenchmark) -> list[Family]:
    """The families of a benchmark, in its order; a population without a grade is no part of one."""
    members: dict[str, list[tuple[int, Population]]] = {}
    for ood in scored.ood:
        if ood.family is not None and ood.severity is not None:
            members.setdefault(ood.family, []).append((ood.severity, ood))
    found = []
    for name, graded in members.items():
        graded.sort(key=lambda member: member[0])
        grades = tuple(population for grade, population in graded if grade > 0)
        given = next((population for grade, population in graded if grade == 0), None)
        if grades:
            found.append(Family(name, given or _origin(scored, grades), grades))
    return found


def severity(
    scored: ScoredBenchmark, bootstrap: BootstrapConfig, seed: int, on_step: Callable[[], None] = lambda: None
) -> Iterator[MetricRecord]:
    """Of every family and scorer: the rank correlation of score and grade, and how far each grade moves the score."""
    for family in families(scored):
        for scorer, scores in scored.scores.items():
            yield _correlation(scored, family, scorer, scores)
            for grade in family.grades:
                yield _shift(scored, family, grade, scorer, bootstrap, seed)
            on_step()


def _origin(scored: ScoredBenchmark, grades: tuple[Population, ...]) -> Population:
    parents = [_parents(scored, grade) for grade in grades]
    known = [rows for rows in parents if rows is not None]
    if len(known) < len(grades):
        return scored.id
    rows = np.concatenate(known)
    return next((one for one in (scored.id, *scored.ood) if np.isin(rows, one.rows).all()), scored.id)


def _parents(scored: ScoredBenchmark, grade: Population) -> NDArray[np.int64] | None:
    """The row that each of a population's samples was made from; None where one of them has none."""
    if scored.parents is None:
        return None
    rows = scored.parents[grade.rows]
    return None if (rows < 0).any() else rows


def _correlation(scored: ScoredBenchmark, family: Family, scorer: str, scores: Floats) -> MetricRecord:
    steps = [(0, family.origin), *((grade.severity or 0, grade) for grade in family.grades)]
    values = np.concatenate([scores[population.rows] for _, population in steps])
    grade = np.concatenate([np.full(len(population.rows), step) for step, population in steps])
    kept = ~np.isnan(values)
    value, reason = None, None
    try:
        value = spearman(grade[kept], values[kept])
    except UndefinedMetric as error:
        reason = error.reason
    return _record(
        scored,
        family,
        scorer,
        ood_task=family.name,
        shift=family.grades[0].shift,
        metric=CORRELATION,
        value=value,
        reason=reason,
        n=int(kept.sum()),
        n_unscored=int((~kept).sum()),
        params={"grades": [step for step, _ in steps], "origin": family.origin.task},
    )


def _shift(
    scored: ScoredBenchmark,
    family: Family,
    grade: Population,
    scorer: str,
    bootstrap: BootstrapConfig,
    seed: int,
) -> MetricRecord:
    scores, origin = scored.scores[scorer], _parents(scored, grade)
    id_rows = scored.id.rows[~np.isnan(scores[scored.id.rows])]
    used = ~np.isnan(scores[grade.rows])
    if origin is not None:
        used &= ~np.isnan(scores[origin])
        origin = origin[used]
    rows = grade.rows[used]
    # A shifted sample moves with what it was made from.
    groups = scored.groups[np.concatenate([id_rows, rows if origin is None else origin])]
    entries: dict[str, Any]
    try:
        interval = score_shift_interval(
            scores[id_rows],
            scores[rows],
            None if origin is None else scores[origin],
            groups=groups.tolist(),
            draws=bootstrap.draws,
            level=bootstrap.level,
            seed=resample_seed(seed, scored, grade),
        )
    except UndefinedMetric as error:
        entries = {"value": None, "reason": error.reason}
    else:
        entries = {
            "value": interval.value,
            "reason": interval.reason,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "ci_level": None if interval.low is None else interval.level,
            "ci_method": interval.method,
        }
    return _record(
        scored,
        family,
        scorer,
        ood_task=grade.task,
        shift=grade.shift,
        severity=grade.severity,
        metric=SHIFT,
        n=len(id_rows) + len(rows),
        n_negative=len(id_rows),
        n_positive=len(rows),
        n_unscored=len(scored.id.rows) - len(id_rows) + len(grade.rows) - len(rows),
        params={"paired": origin is not None},
        **entries,
    )


def _record(
    scored: ScoredBenchmark, family: Family, scorer: str, *, params: dict[str, Any], **entries: Any
) -> MetricRecord:
    return MetricRecord(
        benchmark=scored.name,
        question=QUESTION,
        scorer=scorer,
        population="ood",
        id_task=scored.id.task,
        params={"family": family.name, **params},
        positive_class="ood",
        higher_is_better=True,
        **entries,
    )
