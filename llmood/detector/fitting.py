"""`fit_detector`: the calibration rows of a run's configuration → a detector."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.config import RunConfig
from llmood.config_file import load_config
from llmood.detector.combining import combined, own_p_values
from llmood.detector.confidence import DEFAULT, check_calibrator, end_of_answers, fit_confidence
from llmood.detector.content import CALIBRATORS, SCORE, THRESHOLDS, Content, combine, joined
from llmood.detector.detector import Detector
from llmood.detector.folder import check_free
from llmood.detector.form import form_of
from llmood.detector.models import needed_models
from llmood.detector.observing import check_no_shots, reads_answers, reads_turns, reads_words_only
from llmood.detector.targets import Targets
from llmood.engines.captures import RESPONSE
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError, EngineError
from llmood.identity import digest
from llmood.judged import judge_run, settled
from llmood.lineage import group_keys
from llmood.plan import CALIBRATED, Plan, make_plan
from llmood.progress import Progress
from llmood.questions.judgements import verdicts
from llmood.records import FAILED, Reject
from llmood.registry import suggest
from llmood.run import compare_plan, observe_plan
from llmood.run_folder import RunFolder
from llmood.scorers.artefact_folder import digest_of_rows, identities
from llmood.scorers.artefacts import Origin, roles_of
from llmood.scorers.base import Scorer
from llmood.scorers.choose import make_scorers
from llmood.scorers.combined import Combination
from llmood.scoring import ScorerColumn, fit_all, score_all


@dataclass(frozen=True, slots=True)
class FitPlan:
    """What `fit_detector` will do, resolved and checked before any model loads."""

    name: str
    plan: Plan
    scorers: tuple[str, ...]
    targets: Targets
    calibrator: str
    folder: Path | None

    @property
    def chosen(self) -> dict[str, Scorer]:
        return {name: self.plan.scorers[name] for name in self.scorers}

    @property
    def rows(self) -> dict[str, int]:
        """How many calibration rows each half has."""
        samples = _calibration(self.plan.samples)
        return dict(Counter(_halves(samples)))

    @property
    def rejects(self) -> list[Reject]:
        return self.plan.rejects


def plan_fit(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    overrides: Sequence[str] = (),
    include: Sequence[Path] = (),
    scorers: Sequence[str] = (),
    targets: Targets | None = None,
    calibrator: str = DEFAULT,
) -> FitPlan:
    """Resolve what is to be fitted: see `fit_detector`."""
    targets = targets or Targets()
    check_calibrator(calibrator)
    parsed, folder, name = load_config(config, overrides)
    chosen, parsed = _choose(parsed, scorers)
    plan = make_plan(parsed, folder=folder, include=include, measured=False)
    own = {each: plan.scorers[each] for each in chosen}
    check_no_shots(own)
    _check_words(own, parsed)
    found = FitPlan(Path(name).name.removesuffix(".yaml"), plan, chosen, targets, calibrator, folder)
    _check_judged(found)
    targets.check(found.rows.get(THRESHOLDS, 0))
    return found


def fit_detector(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    include: Sequence[Path] = (),
    scorers: Sequence[str] = (),
    targets: Targets | None = None,
    calibrator: str = DEFAULT,
    progress: Progress | None = None,
) -> Detector:
    """Fit a detector by a run's configuration: its models, its scorers, and the calibration rows of its ID task.

    Args:
        config: as for `evaluate`.
        output_dir: the detector's folder; by default it is written nowhere (`Detector.save`).
        overrides: `key.path=value` on top of the configuration.
        include: folders with further tasks and benchmarks.
        scorers: which of the configuration's scorers, or others; several are combined. By default its first.
        targets: what to promise; by default false alarms at most 0.05.
        calibrator: makes confidences of scores, where answers to calibration rows are judged.
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
        config, overrides=overrides, include=include, scorers=scorers, targets=targets, calibrator=calibrator
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
    planned = replace(planned, plan=plan)
    progress.say("fitting")
    observations = Observations(plan.samples, index, store)
    observations = observations.judged(None if judged is None else verdicts(judged))
    chosen = planned.chosen
    fit_all(chosen, observations)
    calibration = observations.of(CALIBRATED)
    columns = score_all(calibration, chosen)
    _check_failed(columns)
    return _content(planned, observations, columns)


def _content(planned: FitPlan, observations: Observations, columns: Sequence[ScorerColumn]) -> Content:
    plan, chosen = planned.plan, planned.chosen
    needs = [spec for scorer in chosen.values() for spec in scorer.needs]
    rows = observations.of(CALIBRATED)
    samples = rows.samples
    halves = np.array(_halves(samples))
    calibration, score = _ranked(columns, halves)
    there = ~np.isnan(score.values)
    first, second = halves == CALIBRATORS, there & (halves == THRESHOLDS)
    calibration[f"{SCORE}/{THRESHOLDS}"] = np.sort(score.values[second])
    correct = rows.correct()
    calibrator, confidence = fit_confidence(planned.calibrator, score.values[first], correct[first])
    thresholds = planned.targets.thresholds(
        score.values[second], correct[second], score.values[first & there]
    )
    task = plan.tasks[0]
    described = plan.describe()
    models = needed_models(plan.config.models, needs, planned.folder)
    chat = task.loaded.spec.chat if plan.config.chat is None else plan.config.chat
    origins = {
        name: Origin(
            identities(described, roles_of([*scorer.needs, *scorer.fit_needs])),
            digest_of_rows(observations, scorer),
            plan.config.seed,
        )
        for name, scorer in chosen.items()
        if scorer.fitted_on
    }
    return Content(
        planned.name,
        "post" if reads_answers(needs) else "pre",
        chosen,
        thresholds,
        calibration,
        plan.config.model_copy(update={"models": models}),
        identities(described, [*models.by_role, *(r for r in ("nli", "encoder") if getattr(models, r))]),
        [spec.id for spec in sorted(set(needs))],
        form_of(
            task.loaded.spec,
            chat=chat and not reads_words_only(plan.engine),
            answers=reads_answers(needs),
            turns=reads_turns(needs),
        ),
        {
            "task": task.name,
            "version": task.loaded.spec.version,
            "split": CALIBRATED,
            "carved": task.loaded.carved.get(CALIBRATED),
            "rows": samples.num_rows,
            "groups": len(set(group_keys(samples))),
            "unscored": dict(sorted(Counter(map(str, score.reasons[~there])).items())),
            "rejects": len(planned.rejects),
            "halves": {half: int((there & (halves == half)).sum()) for half in (CALIBRATORS, THRESHOLDS)},
            "confidence": confidence,
            "digest": digest(
                sorted(zip(samples["sample_id"].to_pylist(), samples["prompt_hash"].to_pylist(), strict=True))
            ),
        },
        calibrator,
        _end(plan, rows) if reads_answers(needs) else None,
        origins,
    )


def _end(plan: Plan, rows: Observations) -> int | None:
    spec = next((spec for spec in plan.captures if spec.kind == RESPONSE and not spec.is_derived), None)
    if spec is None:
        return None
    return end_of_answers(rows, spec, plan.engine.tokenizer(spec.model).end_ids)


def _ranked(
    columns: Sequence[ScorerColumn], halves: np.ndarray[tuple[int], np.dtype[np.str_]]
) -> tuple[dict[str, Any], ScorerColumn]:
    """The one score of each calibration row, and what several are combined by.

    The half for calibrators is what p-values are taken of, each of its own rows left out for itself; the half for
    thresholds is ranked anew, by scores that know nothing of it.
    """
    if len(columns) == 1:
        return {}, columns[0]
    first = halves == CALIBRATORS
    known = {column.scorer: np.sort(column.values[first & ~np.isnan(column.values)]) for column in columns}
    lacking = next((name for name, values in known.items() if not len(values)), None)
    if lacking is not None:
        raise ConfigError(f"scorers: {lacking} scores no calibration row, and can't be combined")
    score = combine(columns, known)
    own = first & ~np.isnan(score.values)
    values = score.values.copy()
    values[own] = combined({column.scorer: own_p_values(column.values[own]) for column in columns})
    return {f"{name}/{CALIBRATORS}": each for name, each in known.items()}, joined(columns, values)


def _calibration(samples: pa.Table) -> pa.Table:
    return samples.filter(pa.array([split == CALIBRATED for split in samples["split"].to_pylist()]))


def _halves(samples: pa.Table) -> list[str]:
    from llmood.detector.halves import half_of

    columns = (samples[name].to_pylist() for name in ("group", "sample_id"))
    return [half_of(group if group is not None else name) for group, name in zip(*columns, strict=True)]


def _choose(config: RunConfig, wanted: Sequence[str]) -> tuple[tuple[str, ...], RunConfig]:
    """The scorers' names, and a configuration that asks for no more than these.

    A scorer of a combination keeps the arguments that the configuration gives it.
    """
    given = {(each if isinstance(each, str) else next(iter(each))): each for each in config.scorers}
    names = tuple(dict.fromkeys(wanted)) or (next(iter(given)),)
    asked = {name: given.get(name, name) for name in (each.partition("@")[0] for each in names)}
    own = config.model_copy(update={"scorers": tuple({**given, **asked}.values())})
    made = make_scorers(own)
    for name in names:
        if name not in made:
            raise ConfigError(f"--scorer {name}: is none of the configuration's", hint=suggest(name, made))
    members = {member for name in asked for member in _members(made[name])}
    kept = {name: each for name, each in given.items() if name in members}
    return names, config.model_copy(update={"scorers": tuple({**asked, **kept}.values())})


def _members(scorer: Scorer) -> Sequence[str]:
    return list(scorer.members) if isinstance(scorer, Combination) else []


def _check_words(chosen: Mapping[str, Scorer], config: RunConfig) -> None:
    learning = next((name for name, each in chosen.items() if each.reads_text and each.fitted_on), None)
    if learning is not None and not config.text:
        raise ConfigError(
            f"scorers: {learning} keeps words of train in the detector, and this configuration keeps none (--no-text)",
            hint="leave it out, or keep the text",
        )


def _check_judged(planned: FitPlan) -> None:
    """Refuse a promise about wrong answers where nothing tells which are wrong."""
    plan, option = planned.plan, planned.targets.needs_verdicts
    answered = any(spec.kind == RESPONSE and not spec.is_derived for spec in plan.captures)
    if option is None or (plan.judging is not None and (answered or plan.judging.labels is not None)):
        return
    raise ConfigError(
        f"{option}: takes answers that are known to be right or wrong, and none is judged here",
        hint="--set correctness=task has answers given and judged; rows need references, choices or labels",
    )


def _check_failed(columns: Sequence[ScorerColumn]) -> None:
    for column in columns:
        failed = column.status == FAILED
        if failed.any():
            raise EngineError(
                f"{column.scorer}: {int(failed.sum())} calibration rows failed, the first: "
                f"{column.reasons[failed][0]}",
                hint="fit again: what was observed is kept",
            )
