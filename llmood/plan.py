"""What a run will do, resolved and checked before any model loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.asked import Asked, ask
from llmood.calibrated import check_calibrators
from llmood.config import BenchmarkSpec, RunConfig
from llmood.controlled import check_seen, under_controls
from llmood.described import described_model, described_task
from llmood.drawing_config import CHOSEN
from llmood.engines.bare import is_bare
from llmood.engines.base import ENCODER, Engine, prompted_roles
from llmood.engines.captures import (
    SHOWN,
)
from llmood.engines.encoder import cut_texts, encoded_lengths
from llmood.engines.local import LocalEngine
from llmood.engines.prompts import Prompt
from llmood.engines.with_encoder import WithEncoder
from llmood.errors import ConfigError
from llmood.judging.choose import Judging, chosen_rule, make_judging
from llmood.judging.equivalence.choose import Readers
from llmood.judging.equivalence.threshold import PLACE as THRESHOLD
from llmood.judging.shown import check_shown
from llmood.planned_engine import check_pictures
from llmood.populations import load_background, load_tasks, shows_pictures
from llmood.questions.emi_states import emi_captures
from llmood.records import CALIBRATION, EVALUATED, CaptureSpec, Check, Part, Reject
from llmood.scorers.base import Scorer
from llmood.scorers.choose import make_scorers
from llmood.scorers.on_part import check_profile, make_profile
from llmood.scoring import background_of, check_verdicts
from llmood.tasks import find_benchmark
from llmood.tokenise import PlannedTask, tokenise, without_text, without_values
from llmood.training.seen import compare_train


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it runs: names resolved, data read, prompts tokenised, nothing computed."""

    config: RunConfig
    folder: Path | None
    benchmark: BenchmarkSpec
    tasks: tuple[PlannedTask, ...]
    engine: Engine
    engine_why: str
    scorers: dict[str, Scorer]
    captures: list[CaptureSpec]
    splits: Mapping[CaptureSpec, frozenset[Part]]
    samples: pa.Table
    prompts: tuple[Prompt, ...]
    comparisons: list[CaptureSpec]
    readers: Readers
    judging: Judging | None = None
    choosing: CaptureSpec | None = None
    background: PlannedTask | None = None

    @property
    def read(self) -> tuple[PlannedTask, ...]:
        """All tasks that are read: the benchmark's, and a background behind them."""
        return (*self.tasks, *([] if self.background is None else [self.background]))

    @property
    def rejects(self) -> list[Reject]:
        return [reject for task in self.read for reject in task.loaded.rejects]

    @property
    def kept_samples(self) -> pa.Table:
        """The samples as files keep them: of a private run, without a user's words."""
        return self.samples if self.config.text else without_text(self.samples)

    @property
    def kept_rejects(self) -> list[Reject]:
        """The rejects as files keep them."""
        return self.rejects if self.config.text else [without_values(reject) for reject in self.rejects]

    @property
    def checks(self) -> list[Check]:
        """What the tasks themselves have to say."""
        return [check for task in self.read for check in task.loaded.checks]

    def foreseen(self) -> list[Check]:
        """What can be said before anything is run: the tasks' checks, and prompts that won't be scored."""
        found = list(self.checks)
        names = np.array(self.samples["task"].to_pylist())
        names[np.array(self.samples["split"].to_pylist()) != EVALUATED] = ""
        if any(spec.model == ENCODER for spec in self.captures):
            lengths = encoded_lengths(self.engine, self.prompts)
            found += cut_texts(
                {task.name: lengths[names == task.name] for task in self.tasks},
                self.engine.context_length(ENCODER),
            )
        limits = [self.engine.context_length(role) for role in prompted_roles(self.engine)]
        if not limits:
            return found
        limit, tokens = min(limits), self.samples["prompt_tokens"].to_numpy()
        for task in self.tasks:
            over = int((tokens[names == task.name] > limit).sum())
            if over:
                detail = (
                    f"{over} of {len(task.samples)} samples of {task.name} are longer than the context of "
                    f"{limit} tokens and won't be scored."
                )
                found.append(Check("over_context", "warning", "Prompts over the context", detail, task.name))
        return found

    def describe(self) -> dict[str, Any]:
        """What `run.json` says of it: benchmark, tasks, models and captures, each with its identity."""
        return {
            "benchmark": self.benchmark.model_dump(mode="json"),
            "tasks": [described_task(task) for task in self.tasks],
            "background": self._described_background(),
            "models": {role: described_model(self.engine, role) for role in self.engine.roles},
            "captures": [spec.id for spec in (*self.captures, *self.comparisons)],
            **self.readers.describe(),
            "engine": {"kind": self.engine.kind, "why": self.engine_why},
        }

    def _described_background(self) -> dict[str, Any] | None:
        """As a task, and what the configuration calls it: `rescore` knows it by that."""
        wanted = background_of(self.scorers)
        if self.background is None or wanted is None:
            return None
        return {**described_task(self.background), "asked": wanted[1]}


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
    benchmark = (
        config.benchmark
        if isinstance(config.benchmark, BenchmarkSpec)
        else find_benchmark(config.benchmark, include_paths=include, relative_to=folder, place="benchmark")
    )
    beside: Sequence[CaptureSpec] = ()
    if measured and config.emi is not None:
        pictures = shows_pictures(benchmark, relative_to=folder, include=include)
        beside = emi_captures(config.emi, config.models.roles, pictures=pictures).needs
    asked = ask(config, scorers, folder, beside, profile)
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
    background = load_background(benchmark, config, asked.scorers, tasks, relative_to=folder, include=include)
    read = tasks if background is None else (*tasks, background)
    shown = (sample for task in read for rows in task.loaded.samples.values() for sample in rows)
    if config.modality is not None and profile is not None:
        check_seen(tasks[0].loaded)
        check_profile(config.modality, profile)
    # What holds no question needs no picture.
    seeing = [spec for spec in (*asked.captures, *asked.prompted) if not is_bare(spec)]
    check_pictures(asked.engine, asked.scorers, seeing, shown)
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
