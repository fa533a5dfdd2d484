"""What follows the observations, the same for a run and for scoring it again: scores, metrics, checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.answers import answers_of
from llmood.calibrated import (
    ScoredCalibration,
    measure_calibration,
    score_calibration,
    write_calibration,
)
from llmood.checks import CheckInput, run_checks
from llmood.config import RunConfig
from llmood.engines.observations import Observations
from llmood.explanation_records import Explanation
from llmood.manifest import check_planned
from llmood.measuring import (
    measure,
    measure_disagreement,
    measure_emi,
    scored_benchmark,
    with_corruptions,
)
from llmood.pieces import PIECES, read_pieces
from llmood.profiled import ScoredParts, measure_parts, score_parts, write_parts
from llmood.progress import Progress
from llmood.questions.concepts import explain_by_concepts
from llmood.questions.confident_errors import confident_errors
from llmood.questions.explanations import FILE as EXPLANATIONS
from llmood.questions.explanations import explain
from llmood.questions.familiarity import BASE, BaseLikelihood
from llmood.questions.judgements import Judgements, read_judgements, verdicts
from llmood.questions.population_shift import population_shift, readable_members
from llmood.questions.populations import ScoredBenchmark
from llmood.records import EVALUATED, FAILED, Check, MetricRecord
from llmood.run_folder import RunFolder, RunStatus
from llmood.sameness import read_tasks
from llmood.scorers.artefact_folder import SCORERS, write_artefacts
from llmood.scorers.base import Scorer
from llmood.scorers.base import scorers as registered
from llmood.scorers.on_part import make_profile
from llmood.scoring import ScorerColumn, fit_all, score_all, scores_table
from llmood.tables import JUDGED, write_json, write_table


def write_results(
    folder: RunFolder,
    config: RunConfig,
    observations: Observations,
    scorers: Mapping[str, Scorer],
    progress: Progress,
    *,
    judged: pa.Table | None = None,
) -> RunStatus:
    """Write all that follows the observations but the report; say how the run ended.

    These are `scores.parquet`, `scorers/`, `calibration.parquet`, `calibrators.json`, `modality.parquet`,
    `correctness.parquet`, `explanations.json`, `metrics.json`, `checks.json`. What the
    benchmark, the tasks and the models are is read from the folder's `run.json`.

    Args:
        judged: which answers are right (`tables.CORRECTNESS`); None where nothing was judged.
    """
    manifest = folder.manifest
    check_planned(folder.path, manifest)
    progress.say("scoring")
    learned = observations.judged(None if judged is None else verdicts(judged))
    fit_all(scorers, learned)
    profile = make_profile(config.modality, scorers)
    parts = score_parts(profile, observations, learned)
    found = _results(
        folder,
        config,
        observations.of(EVALUATED),
        learned,
        scorers,
        parts=parts,
        judged=judged,
        progress=progress,
    )
    # Written last and together: what breaks before leaves the files of an earlier scoring as they were, and what
    # breaks between them leaves a run that says so.
    folder.write_manifest("running")
    unsaved = write_artefacts(
        folder.file(SCORERS), scorers, learned, manifest, seed=config.seed, text=config.text
    )
    for name, why in unsaved.items():
        progress.say(f"{name} is not kept in {SCORERS}/: {why}")
    write_table(folder.file("scores.parquet"), scores_table(found.columns, found.sample_ids))
    write_calibration(folder, found.calibration)
    write_parts(folder, found.parts, found.sample_ids)
    write_judged(folder, judged)
    write_explanations(folder, found.explained)
    write_json(folder.file("metrics.json"), found.records)
    write_json(folder.file("checks.json"), [asdict(check) for check in found.checks])
    return _status(found, judged, read_tasks(manifest))


@dataclass(frozen=True, slots=True)
class _Results:
    """What is written of a run's observations: files hold the same."""

    sample_ids: list[str]
    columns: list[ScorerColumn]
    calibration: ScoredCalibration | None
    parts: ScoredParts | None
    records: list[dict[str, Any]]
    explained: list[dict[str, Any]]
    checks: list[Check]


def _results(
    folder: RunFolder,
    config: RunConfig,
    observations: Observations,
    learned: Observations,
    scorers: Mapping[str, Scorer],
    *,
    parts: ScoredParts | None,
    judged: pa.Table | None,
    progress: Progress,
) -> _Results:
    """Score, measure, explain and check.

    Args:
        observations: of what is measured.
        learned: of all splits, with which answers are right.
        parts: the scores of parts of the input.
    """
    manifest = folder.manifest
    columns, base = _score(observations, scorers)
    scored = scored_benchmark(manifest, observations, columns)
    judgements = None if judged is None else read_judgements(judged, observations.samples)
    calibration = (
        None
        if config.calibration is None
        else score_calibration(learned, scorers, judged, config.calibration)
    )
    explaining = explain_by_concepts(scorers, learned.of("train"), observations)
    measured = measure(scored, base, explaining, judgements, config, progress)
    if calibration is not None:
        measured += measure_calibration(
            calibration, scored, observations.samples, judgements, config, progress
        )
    if parts is not None:
        measured += measure_parts(parts, scored, columns, config, progress)
    measured += _populations(scored, observations, learned, scorers, config.seed)
    measured += measure_emi(scored, observations, config, progress)
    measured += measure_disagreement(scored, observations, config, progress)
    measured = with_corruptions(measured, read_tasks(manifest))
    records = [asdict(record) for record in measured]
    told = explain(scored, observations, scorers, read_pieces(folder.file(PIECES)) if config.text else {})
    if judgements is not None and config.text:
        told += _confident_errors(scored, judgements, measured, observations)
    given = CheckInput(
        scored,
        columns,
        records,
        read_tasks(manifest),
        manifest["models"],
        observations,
        manifest.get("canary"),
        canary_asked=config.engine.canary > 0,
        compared=manifest.get("compared") or {},
        scorers=scorers,
        judged=judged,
        learned=learned,
    )
    checks = [Check(**check) for task in read_tasks(manifest) for check in task["checks"]] + run_checks(given)
    ids = observations.samples["sample_id"].to_pylist()
    return _Results(ids, columns, calibration, parts, records, [asdict(each) for each in told], checks)


def _status(found: _Results, judged: pa.Table | None, tasks: Sequence[Mapping[str, Any]]) -> RunStatus:
    """How a run with these results ended."""
    if any(check.severity == "error" for check in found.checks):
        return "failed"
    statuses = [column.status for column in found.columns]
    statuses += [] if found.calibration is None else [column.status for column in found.calibration.columns]
    statuses += [] if found.parts is None else [column.status for _, column in found.parts.columns]
    statuses += [] if judged is None else [np.array(judged["status"].to_pylist(), dtype=np.object_)]
    incomplete = any((status == FAILED).any() for status in statuses) or _has_rejects(tasks)
    return "partial" if incomplete else "complete"


def write_judged(folder: RunFolder, judged: pa.Table | None) -> None:
    """Write `correctness.parquet`; where nothing was judged, none is left of an earlier scoring."""
    if judged is None:
        folder.file(JUDGED).unlink(missing_ok=True)
    else:
        write_table(folder.file(JUDGED), judged)


def write_explanations(folder: RunFolder, explained: Sequence[Mapping[str, Any]]) -> None:
    """Write `explanations.json`; where no scorer explains anything, none is left of an earlier scoring."""
    if explained:
        write_json(folder.file(EXPLANATIONS), explained)
    else:
        folder.file(EXPLANATIONS).unlink(missing_ok=True)


def _score(
    observations: Observations, scorers: Mapping[str, Scorer]
) -> tuple[list[ScorerColumn], BaseLikelihood | None]:
    """The scores, and the base model's likelihood of each sample where it was asked anyway: no pass is made for it."""
    base = registered.get(BASE).make()
    if not all(observations.has(spec) for spec in base.needs):
        return score_all(observations, scorers), None
    columns = score_all(observations, {**scorers, BASE: scorers.get(BASE, base)})
    own = next(column for column in columns if column.scorer == BASE)
    asked = [column for column in columns if column.scorer in scorers]
    return asked, BaseLikelihood(own.values, own.reasons)


def _confident_errors(
    scored: ScoredBenchmark,
    judgements: Judgements,
    measured: Sequence[MetricRecord],
    observations: Observations,
) -> list[Explanation]:
    found = answers_of(observations)
    if found is None:
        return []
    answers = dict(zip(found["sample_id"].to_pylist(), found["text"].to_pylist(), strict=True))
    ids = observations.samples["sample_id"].to_pylist()
    return confident_errors(scored, judgements, measured, ids, answers)


def _populations(
    scored: ScoredBenchmark,
    observations: Observations,
    learned: Observations,
    scorers: Mapping[str, Scorer],
    seed: int,
) -> list[MetricRecord]:
    readable = readable_members(learned, scorers)
    members = score_all(learned.of("train"), readable) if readable else []
    scores = {column.scorer: column.values for column in members}
    return list(population_shift(scored, observations, scorers, scores, seed))


def _has_rejects(tasks: Sequence[Mapping[str, Any]]) -> bool:
    return any(task["rejects"] for task in tasks)
