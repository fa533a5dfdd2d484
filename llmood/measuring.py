"""Scores and verdicts of a run as records: each question's, but of calibration, whole populations and parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.config import RunConfig
from llmood.engines.observations import Observations
from llmood.lineage import group_keys
from llmood.picture_records import Corruptions
from llmood.progress import Progress
from llmood.questions.adapters import over_adapters
from llmood.questions.concepts import Explained, concepts
from llmood.questions.effective_information import effective_information
from llmood.questions.emi_states import captured
from llmood.questions.error_detection import error_detection, steps_of
from llmood.questions.familiarity import BaseLikelihood, familiarity, sliced_scorers
from llmood.questions.judgements import Judgements
from llmood.questions.length_confound import length_confound
from llmood.questions.ood_detection import ood_detection
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.questions.rater_disagreement import (
    rated_populations,
    rated_scorers,
    rater_disagreement,
)
from llmood.questions.severity import families, severity
from llmood.records import MetricRecord
from llmood.scoring import ScorerColumn


def scored_benchmark(
    manifest: Mapping[str, Any], observations: Observations, columns: Sequence[ScorerColumn]
) -> ScoredBenchmark:
    """The scores of a benchmark's populations, as questions read them."""
    samples = observations.samples
    names = np.array(samples["task"].to_pylist())
    ids = np.array(samples["sample_id"].to_pylist())
    populations = [
        Population(
            task["name"],
            task["shift"],
            task["severity"],
            _in_order_of_ids(np.flatnonzero(names == task["name"]), ids),
            task.get("family"),
        )
        for task in manifest["tasks"]
    ]
    rows = {sample_id: row for row, sample_id in enumerate(ids.tolist())}
    parents = samples["parent_id"].to_pylist()
    return ScoredBenchmark(
        manifest["benchmark"]["name"],
        populations[0],
        tuple(populations[1:]),
        {column.scorer: column.values for column in columns},
        np.array(group_keys(samples)),
        np.array([rows.get(parent, -1) for parent in parents], dtype=np.int64),
    )


def with_corruptions(
    records: Sequence[MetricRecord], tasks: Sequence[Mapping[str, Any]]
) -> list[MetricRecord]:
    """The records; where one is about a population that was made by corrupting, its `params` say how."""
    told = {
        task["name"]: {
            "image_corruption": made.image,
            "image_grade": made.image_grade,
            "text_corruption": made.text,
            "text_grade": made.text_grade,
        }
        for task in tasks
        if (made := Corruptions.from_json(task.get("corruptions"))) is not None
    }
    return [
        replace(record, params={**record.params, **told[record.ood_task]})
        if record.ood_task in told
        else record
        for record in records
    ]


def _in_order_of_ids(rows: NDArray[np.int64], ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Resamples are drawn by place: the same samples in another order of lines give the same intervals."""
    return rows[np.argsort(ids[rows], kind="stable")]


def measure(
    scored: ScoredBenchmark,
    base: BaseLikelihood | None,
    explaining: Mapping[str, Explained],
    judgements: Judgements | None,
    config: RunConfig,
    progress: Progress,
) -> list[MetricRecord]:
    """The records that scores and verdicts of the measured samples give."""
    steps = len(scored.ood) * (len(scored.scores) + 1) + len(families(scored)) * len(scored.scores)
    if base is not None:
        steps += len(scored.ood) * len(sliced_scorers(scored))
    steps += len(scored.ood) * len(explaining)
    if judgements is not None:
        steps += steps_of(scored, judgements)
    with progress.track("metrics and intervals", steps, unit="tables") as advance:
        detection = list(ood_detection(scored, config.bootstrap, config.seed, lambda: advance(1)))
        graded = list(severity(scored, config.bootstrap, config.seed, lambda: advance(1)))
        known = (
            []
            if base is None
            else list(familiarity(scored, base, config.bootstrap, config.seed, lambda: advance(1)))
        )
        kept = list(concepts(scored, explaining, config.bootstrap, config.seed, lambda: advance(1)))
        errors = (
            []
            if judgements is None
            else list(error_detection(scored, judgements, config.bootstrap, config.seed, lambda: advance(1)))
        )
    return [*detection, *graded, *over_adapters(detection), *length_confound(scored), *known, *kept, *errors]


def measure_emi(
    scored: ScoredBenchmark, observations: Observations, config: RunConfig, progress: Progress
) -> list[MetricRecord]:
    """Effective mutual information, where it is asked for."""
    if config.emi is None:
        return []
    captures = captured(config.emi, config.models.roles, observations)
    with progress.track("mutual information", len(scored.ood) + 1, unit="populations") as advance:
        return list(
            effective_information(
                scored,
                observations,
                captures,
                config.bootstrap,
                config.seed,
                entropy=config.emi.entropy,
                on_step=lambda: advance(1),
            )
        )


def measure_disagreement(
    scored: ScoredBenchmark, observations: Observations, config: RunConfig, progress: Progress
) -> list[MetricRecord]:
    """Scores against the votes of raters, where a task has some."""
    votes = observations.samples["votes"].to_pylist()
    steps = len(rated_populations(scored, votes)) * len(rated_scorers(scored))
    if not steps:
        return []
    with progress.track("votes of raters", steps, unit="tables") as advance:
        return list(rater_disagreement(scored, votes, config.bootstrap, config.seed, lambda: advance(1)))
