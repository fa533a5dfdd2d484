"""From a configuration to the plan of a run: all that can be resolved and refused before any model loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from llmood.asked import Asked, ask
from llmood.calibrated import check_calibrators
from llmood.config import BenchmarkSpec, RunConfig
from llmood.controlled import check_seen, under_controls
from llmood.drawing_config import CHOSEN
from llmood.engines.bare import is_bare
from llmood.engines.base import Engine
from llmood.engines.captures import SHOWN
from llmood.engines.local import LocalEngine
from llmood.engines.with_encoder import WithEncoder
from llmood.errors import ConfigError
from llmood.judging.choose import Judging, chosen_rule, make_judging
from llmood.judging.equivalence.threshold import PLACE as THRESHOLD
from llmood.judging.shown import check_shown
from llmood.plan import Plan
from llmood.planned_engine import check_pictures
from llmood.populations import load_background, load_tasks, shows_pictures
from llmood.questions.emi_states import emi_captures
from llmood.records import CALIBRATION, EVALUATED, CaptureSpec
from llmood.scorers.choose import make_scorers
from llmood.scorers.on_part import check_profile, make_profile
from llmood.scoring import check_verdicts
from llmood.tasks import find_benchmark
from llmood.tokenise import PlannedTask, tokenise
from llmood.training.seen import compare_train


def make_plan(
    config: RunConfig, *, folder: Path | None = None, include: Sequence[Path] = (), measured: bool = True
) -> Plan:
    """Resolve a configuration.

    Args:
        folder: where the configuration's relative paths start.
        include: folders with further tasks and benchmarks.
        measured: whether the `test` rows are scored; else the `calibration` rows alone are, whatever the configuration
            says, and no OOD task is read.

    Raises:
        ConfigError: any mistake that can be found without a model, with its place and remedy.
    """
    scorers = make_scorers(config)
    check_calibrators(config, together=not measured)
    profile = make_profile(config.modality, scorers) if measured else None
    calibrated = not measured or config.calibration is not None
    benchmark = _benchmark(config, folder, include)
    beside = _beside(config, benchmark, folder, include) if measured else ()
    asked = ask(config, scorers, folder, beside, profile)
    tasks, background = _read(
        config, benchmark, asked, folder, include, calibrated=calibrated, measured=measured
    )
    read = (*tasks, *([] if background is None else [background]))
    if config.modality is not None and profile is not None:
        check_seen(tasks[0].loaded)
        check_profile(config.modality, profile)
    _check_pictures(asked, read)
    prompts, samples = tokenise(read, asked.engine, config)
    scored = [*([EVALUATED] if measured else []), *([CALIBRATION] if calibrated else [])]
    splits = asked.splits(*scored)
    if profile is not None:
        names = samples["task"].to_pylist()
        prompts = under_controls(prompts, names, splits, tasks[0].loaded, asked.engine, config)
    return Plan(
        config,
        folder,
        benchmark,
        tasks,
        asked.engine,
        asked.engine_why,
        asked.scorers,
        asked.captures,
        splits,
        samples,
        prompts,
        asked.comparisons,
        asked.readers_of(prompts),
        _judging(config, asked, tasks, samples, folder),
        asked.choosing,
        background,
    )


def _benchmark(config: RunConfig, folder: Path | None, include: Sequence[Path]) -> BenchmarkSpec:
    """What the configuration holds itself, or names."""
    if isinstance(config.benchmark, BenchmarkSpec):
        return config.benchmark
    return find_benchmark(config.benchmark, include_paths=include, relative_to=folder, place="benchmark")


def _beside(
    config: RunConfig, benchmark: BenchmarkSpec, folder: Path | None, include: Sequence[Path]
) -> tuple[CaptureSpec, ...]:
    """What is captured for no scorer."""
    if config.emi is None:
        return ()
    pictures = shows_pictures(benchmark, relative_to=folder, include=include)
    return emi_captures(config.emi, config.models.roles, pictures=pictures).needs


def _read(
    config: RunConfig,
    benchmark: BenchmarkSpec,
    asked: Asked,
    folder: Path | None,
    include: Sequence[Path],
    *,
    calibrated: bool,
    measured: bool,
) -> tuple[tuple[PlannedTask, ...], PlannedTask | None]:
    """The benchmark's tasks, ID first, and a background where a scorer learns from one."""
    tasks = load_tasks(
        benchmark,
        config,
        asked.scorers,
        relative_to=folder,
        include=include,
        further={} if asked.choosing is None else {"equivalence.threshold": CHOSEN},
        calibrated=calibrated,
        measured=measured,
    )
    tasks = (_with_tuning(tasks[0], asked.engine, config), *tasks[1:])
    return tasks, load_background(
        benchmark, config, asked.scorers, tasks, relative_to=folder, include=include
    )


def _check_pictures(asked: Asked, read: Sequence[PlannedTask]) -> None:
    """Refuse what can't be captured of a question with a picture."""
    shown = (sample for task in read for rows in task.loaded.samples.values() for sample in rows)
    # What holds no question needs no picture.
    seeing = [spec for spec in (*asked.captures, *asked.prompted) if not is_bare(spec)]
    check_pictures(asked.engine, asked.scorers, seeing, shown)


def _judging(
    config: RunConfig, asked: Asked, tasks: Sequence[PlannedTask], samples: pa.Table, folder: Path | None
) -> Judging | None:
    """How answers are judged; refused where something learns from that, and none are."""
    judging = make_judging(
        config.correctness,
        [{"name": task.name, "correctness": task.loaded.spec.correctness} for task in tasks],
        samples,
        relative_to=folder,
    )
    check_verdicts(asked.scorers, judged=judging is not None)
    check_shown(asked.captures, chosen_rule(config.correctness))
    if asked.choosing is not None and judging is None:
        raise ConfigError(
            f"{THRESHOLD} is chosen by judged answers, and this run judges none",
            hint="'correctness' says how they are judged; 'threshold: 0.8' needs none",
        )
    return judging


def _with_tuning(id_task: PlannedTask, engine: Engine, config: RunConfig) -> PlannedTask:
    """The ID task, with a check where the `train` rows that are read are not those that an adapter was tuned on."""
    local = engine.spoken if isinstance(engine, WithEncoder) else engine
    if SHOWN not in id_task.fitted or not isinstance(local, LocalEngine) or not local.adapters:
        return id_task
    loaded = id_task.loaded
    found = compare_train(local.adapters, local.weights("base"), loaded.samples[SHOWN], config)
    return replace(id_task, loaded=replace(loaded, checks=[*loaded.checks, *found])) if found else id_task
