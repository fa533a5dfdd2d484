"""What follows the observations, the same for a run and for scoring it again: scores, metrics, checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.answers import answers_of
from llmood.calibrated import measure_calibration, score_calibration, write_calibration
from llmood.checks import CheckInput, run_checks
from llmood.config import RunConfig
from llmood.engines.observations import Observations
from llmood.lineage import group_keys
from llmood.manifest import check_planned
from llmood.pieces import PIECES, read_pieces
from llmood.progress import Progress
from llmood.questions.adapters import over_adapters
from llmood.questions.concepts import Explained, concepts, explain_by_concepts
from llmood.questions.confident_errors import confident_errors
from llmood.questions.error_detection import error_detection, steps_of
from llmood.questions.explanations import FILE as EXPLANATIONS
from llmood.questions.explanations import explain
from llmood.questions.familiarity import BASE, BaseLikelihood, familiarity, sliced_scorers
from llmood.questions.judgements import Judgements, read_judgements, verdicts
from llmood.questions.length_confound import length_confound
from llmood.questions.ood_detection import ood_detection
from llmood.questions.population_shift import population_shift, readable_members
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.questions.severity import families, severity
from llmood.records import EVALUATED, FAILED, Check, Explanation, MetricRecord
from llmood.run_folder import RunFolder, RunStatus
from llmood.sameness import read_tasks
from llmood.scorers.artefact_folder import SCORERS, write_artefacts
from llmood.scorers.base import Scorer
from llmood.scorers.base import scorers as registered
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

    These are `scores.parquet`, `scorers/`, `calibration.parquet`, `calibrators.json`, `correctness.parquet`,
    `explanations.json`, `metrics.json`, `checks.json`. What the benchmark, the tasks and the models are is read from
    the folder's `run.json`.

    Args:
        judged: which answers are right (`tables.CORRECTNESS`); None where nothing was judged.
    """
    manifest = folder.manifest
    check_planned(folder.path, manifest)
    progress.say("scoring")
    learned = observations.judged(None if judged is None else verdicts(judged))
    fit_all(scorers, learned)
    observations = observations.of(EVALUATED)
    columns, base = _score(observations, scorers)
    scored = _benchmark(manifest, observations, columns)
    judgements = None if judged is None else read_judgements(judged, observations.samples)
    calibration = (
        None
        if config.calibration is None
        else score_calibration(learned, scorers, judged, config.calibration)
    )
    explaining = explain_by_concepts(scorers, learned.of("train"), observations)
    measured = _measure(scored, base, explaining, judgements, config, progress)
    if calibration is not None:
        measured += measure_calibration(
            calibration, scored, observations.samples, judgements, config, progress
        )
    measured += _populations(scored, observations, learned, scorers, config.seed)
    records = [asdict(record) for record in measured]
    pieces = read_pieces(folder.file(PIECES)) if config.text else {}
    told = explain(scored, observations, scorers, pieces)
    if judgements is not None and config.text:
        told += _confident_errors(scored, judgements, measured, observations)
    explained = [asdict(found) for found in told]
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
    found = [Check(**check) for task in read_tasks(manifest) for check in task["checks"]] + run_checks(given)
    # Written last and together: what breaks before leaves the files of an earlier scoring as they were, and what
    # breaks between them leaves a run that says so.
    folder.write_manifest("running")
    unsaved = write_artefacts(
        folder.file(SCORERS), scorers, learned, manifest, seed=config.seed, text=config.text
    )
    for name, why in unsaved.items():
        progress.say(f"{name} is not kept in {SCORERS}/: {why}")
    ids = observations.samples["sample_id"].to_pylist()
    write_table(folder.file("scores.parquet"), scores_table(columns, ids))
    write_calibration(folder, calibration)
    write_judged(folder, judged)
    write_explanations(folder, explained)
    write_json(folder.file("metrics.json"), records)
    write_json(folder.file("checks.json"), [asdict(check) for check in found])
    if any(check.severity == "error" for check in found):
        return "failed"
    statuses = [column.status for column in columns]
    statuses += [] if calibration is None else [column.status for column in calibration.columns]
    statuses += [] if judged is None else [np.array(judged["status"].to_pylist(), dtype=np.object_)]
    incomplete = any((status == FAILED).any() for status in statuses) or _has_rejects(read_tasks(manifest))
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


def _measure(
    scored: ScoredBenchmark,
    base: BaseLikelihood | None,
    explaining: Mapping[str, Explained],
    judgements: Judgements | None,
    config: RunConfig,
    progress: Progress,
) -> list[MetricRecord]:
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


def _benchmark(
    manifest: Mapping[str, Any], observations: Observations, columns: Sequence[ScorerColumn]
) -> ScoredBenchmark:
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


def _in_order_of_ids(rows: NDArray[np.int64], ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Resamples are drawn by place: the same samples in another order of lines give the same intervals."""
    return rows[np.argsort(ids[rows], kind="stable")]
