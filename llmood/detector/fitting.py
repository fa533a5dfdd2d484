"""`fit_detector`: the calibration rows of a run's configuration → a detector."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.calibrated import calibration_rows
from llmood.checks.adapter import equal_to_base
from llmood.checks.canary import two_ways
from llmood.config import RunConfig
from llmood.detector.combining import combined, own_p_values
from llmood.detector.confidence import end_of_answers, fit_confidence
from llmood.detector.content import SCORE, Content, combine, joined
from llmood.detector.detector import Detector
from llmood.detector.folder import check_free
from llmood.detector.form import form_of
from llmood.detector.kept_questions import draw_questions
from llmood.detector.models import needed_models
from llmood.detector.observing import reads_answers, reads_turns, reads_words_only
from llmood.detector.planning import FitPlan, plan_fit
from llmood.engines.captures import RESPONSE
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError, EngineError
from llmood.halves import CALIBRATORS, THRESHOLDS
from llmood.identity import digest
from llmood.judged import judge_run, settled
from llmood.lineage import group_keys
from llmood.plan import Plan
from llmood.progress import Progress
from llmood.questions.calibration_rows import CalibrationRows
from llmood.questions.judgements import verdicts
from llmood.records import CALIBRATION, FAILED
from llmood.run import compare_plan, observe_plan
from llmood.run_folder import RunFolder
from llmood.sameness import READERS
from llmood.scorers.artefact_folder import digest_of_rows, identities
from llmood.scorers.artefacts import Origin, roles_of
from llmood.scoring import ScorerColumn, fit_all, score_all


def fit_detector(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    include: Sequence[Path] = (),
    scorers: Sequence[str] = (),
    calibrator: str | None = None,
    false_alarms: float | None = None,
    delta: float | None = None,
    wrong_answered: float | None = None,
    error_among_answered: float | None = None,
    keep_questions: int = 0,
    progress: Progress | None = None,
) -> Detector:
    """Fit a detector by a run's configuration: its models, its scorers, and the calibration rows of its ID task.

    Args:
        config: as for `evaluate`.
        output_dir: the detector's folder; by default it is written nowhere (`Detector.save`).
        overrides: `key.path=value` on top of the configuration.
        include: folders with further tasks and benchmarks.
        scorers: which of the configuration's scorers, or others; several are combined. By default its first.
        calibrator: makes confidences of scores, where answers to calibration rows are judged: `platt`, unless the
            configuration's `calibration` names another. `logistic` reads the scores of several scorers.
        false_alarms: of questions like the calibration rows, flag at most this share: 0.05, unless `calibration` says
            otherwise.
        delta: keep the promise for all but this share of calibration sets; by default, on average over them.
        wrong_answered: of all questions, at most this share may be answered wrongly.
        error_among_answered: of the answers that are given, at most this share may be wrong, for all but `delta` (by
            default 0.1) of calibration sets.
        keep_questions: so many questions of the calibration rows stay in the detector, for `llmood serve` to show
            beside a new one; by default none.
        progress: shows how far it is; silent by default.

    Raises:
        ConfigError: a mistake found before any model loads, as of too few calibration rows.
        EngineError: a calibration row could not be scored because an engine failed.
    """
    progress = progress or Progress()
    if output_dir is not None:
        check_free(Path(output_dir))
    progress.say("reading the task")
    planned = plan_fit(
        config,
        overrides=overrides,
        include=include,
        scorers=scorers,
        calibrator=calibrator,
        false_alarms=false_alarms,
        delta=delta,
        wrong_answered=wrong_answered,
        error_among_answered=error_among_answered,
        keep_questions=keep_questions,
    )
    detector = Detector(execute_fit(planned, progress))
    return detector if output_dir is None else detector.save(output_dir)


def execute_fit(planned: FitPlan, progress: Progress) -> Content:
    """Observe what is learned from and the calibration rows, fit, score, and set the thresholds."""
    plan, store = planned.plan, Store()
    with tempfile.TemporaryDirectory(prefix="llmood-fit-") as scratch:
        target = RunFolder(Path(scratch))  # what a run keeps of its way, and a detector doesn't
        target.begin(plan.config, planned.name, None)
        index, said = observe_plan(plan, target, store, progress)
        judged = judge_run(plan, Observations(plan.samples, index, store), said, store)
        plan = settled(plan, index, store, judged, target)
        index = compare_plan(plan, target, store, index, progress)
        canary = target.manifest["canary"]
    planned = replace(planned, plan=plan)
    progress.say("fitting")
    observations = Observations(plan.samples, index, store)
    observations = observations.judged(None if judged is None else verdicts(judged))
    _check_models(plan.describe()["models"], canary, observations.of(CALIBRATION))
    chosen = planned.chosen
    fit_all(chosen, observations)
    columns = score_all(observations.of(CALIBRATION), chosen)
    _check_failed(columns)
    return _content(planned, observations, columns, judged)


def _content(
    planned: FitPlan, observations: Observations, columns: Sequence[ScorerColumn], judged: pa.Table | None
) -> Content:
    plan, chosen, task = planned.plan, planned.chosen, planned.plan.tasks[0]
    needs = [spec for scorer in chosen.values() for spec in scorer.needs]
    own = observations.of(CALIBRATION)
    rows = calibration_rows(own.samples, columns, judged)
    calibration, score = _ranked(columns, rows)
    rows = replace(rows, scores={**rows.scores, SCORE: score.values})
    calibration[f"{SCORE}/{THRESHOLDS}"] = np.sort(rows.held(SCORE))
    calibrator, confidence = fit_confidence(planned.calibrator, rows, SCORE, list(chosen))
    models = needed_models(plan.config.models, needs, planned.folder)
    roles = [*models.by_role, *(role for role in READERS if getattr(models, role))]
    chat = task.loaded.spec.chat if plan.config.chat is None else plan.config.chat
    answers = reads_answers(needs)
    form = form_of(
        task.loaded.spec,
        chat=chat and not reads_words_only(plan.engine),
        answers=answers,
        turns=reads_turns(needs),
        pictures=all(own.samples["images"].to_pylist()),
    )
    return Content(
        planned.name,
        "post" if answers else "pre",
        chosen,
        planned.targets.thresholds(rows, SCORE),
        calibration,
        plan.config.model_copy(update={"models": models}),
        identities(plan.describe(), roles),
        [spec.id for spec in sorted(set(needs))],
        form,
        {
            **_data(planned, own.samples),
            "unscored": dict(sorted(Counter(map(str, score.reasons[np.isnan(score.values)])).items())),
            "halves": {CALIBRATORS: len(rows.beside(SCORE)), THRESHOLDS: len(rows.held(SCORE))},
            "confidence": confidence,
        },
        calibrator,
        _end(plan, own) if answers else None,
        _origins(planned, observations),
        draw_questions(own.samples, form, planned.keep_questions, plan.config.seed),
    )


def _data(planned: FitPlan, samples: pa.Table) -> dict[str, Any]:
    """What the calibration rows are."""
    task = planned.plan.tasks[0]
    names = (samples[name].to_pylist() for name in ("sample_id", "prompt_hash"))
    return {
        "task": task.name,
        "version": task.loaded.spec.version,
        "split": CALIBRATION,
        "carved": task.loaded.carved.get(CALIBRATION),
        "rows": samples.num_rows,
        "groups": len(set(group_keys(samples))),
        "rejects": len(planned.rejects),
        "digest": digest(sorted(zip(*names, strict=True))),
    }


def _origins(planned: FitPlan, observations: Observations) -> dict[str, Origin]:
    described = planned.plan.describe()
    return {
        name: Origin(
            identities(described, roles_of([*scorer.needs, *scorer.fit_needs])),
            digest_of_rows(observations, scorer),
            planned.plan.config.seed,
        )
        for name, scorer in planned.chosen.items()
        if scorer.fitted_on
    }


def _end(plan: Plan, rows: Observations) -> int | None:
    spec = next((spec for spec in plan.captures if spec.kind == RESPONSE and not spec.is_derived), None)
    if spec is None:
        return None
    return end_of_answers(rows, spec, plan.engine.tokenizer(spec.model).end_ids)


def _ranked(columns: Sequence[ScorerColumn], rows: CalibrationRows) -> tuple[dict[str, Any], ScorerColumn]:
    """The one score of each calibration row, and what several are combined by.

    The half for calibrators is what p-values are taken of, each of its own rows left out for itself; the half for
    thresholds is ranked anew, by scores that know nothing of it.
    """
    if len(columns) == 1:
        return {}, columns[0]
    known = {column.scorer: np.sort(rows.beside(column.scorer)) for column in columns}
    lacking = next((name for name, values in known.items() if not len(values)), None)
    if lacking is not None:
        raise ConfigError(f"scorers: {lacking} scores no calibration row, and can't be combined")
    score = combine(columns, known)
    own = rows.for_calibrators & ~np.isnan(score.values)
    values = score.values.copy()
    values[own] = combined({column.scorer: own_p_values(column.values[own]) for column in columns})
    return {f"{name}/{CALIBRATORS}": each for name, each in known.items()}, joined(columns, values)


def _check_models(
    models: Mapping[str, Any], canary: Mapping[str, Any] | None, observations: Observations
) -> None:
    """Refuse numbers that are not those of the models that were named, as a run fails by them."""
    for check in (*two_ways(canary), *equal_to_base(models, observations)):
        if check.severity == "error":
            raise EngineError(check.detail, hint="'llmood run' says more")


def _check_failed(columns: Sequence[ScorerColumn]) -> None:
    for column in columns:
        failed = column.status == FAILED
        if failed.any():
            raise EngineError(
                f"{column.scorer}: {int(failed.sum())} calibration rows failed, the first: "
                f"{column.reasons[failed][0]}",
                hint="fit again: what was observed is kept",
            )
