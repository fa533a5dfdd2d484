"""What a run will do, resolved and checked before any model loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.calibrated import check_calibrators
from llmood.config import BenchmarkSpec, RunConfig
from llmood.correctness_choice import asks_for_answers
from llmood.drawing_config import CHOSEN
from llmood.engines.base import ENCODER, Engine, prompted_roles
from llmood.engines.captures import (
    SHOWN,
    Needs,
    capture_splits,
    compared,
    required_captures,
    required_comparisons,
    richest_response,
    within_reach,
)
from llmood.engines.encoder import cut_texts, encoded_lengths
from llmood.engines.local import LocalEngine
from llmood.engines.requests import Prompt
from llmood.engines.with_encoder import WithEncoder
from llmood.errors import ConfigError
from llmood.judging.choose import Judging, chosen_rule, make_judging
from llmood.judging.equivalence.choose import Readers, asked_of_engine, make_readers
from llmood.judging.equivalence.judge_reader import JudgeReader
from llmood.judging.equivalence.threshold import PLACE as THRESHOLD
from llmood.judging.equivalence.threshold import chosen_by
from llmood.judging.judge_model import replies_of
from llmood.judging.shown import check_shown
from llmood.planned_engine import check_captures, make_engine
from llmood.populations import load_background, load_tasks
from llmood.records import BACKGROUND, CALIBRATION, EVALUATED, CaptureSpec, Check, Part, Reject, Split
from llmood.scorers.base import Scorer
from llmood.scorers.choose import make_scorers
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
            "tasks": [_describe_task(task) for task in self.tasks],
            "background": self._described_background(),
            "models": {role: _describe_model(self.engine, role) for role in self.engine.roles},
            "captures": [spec.id for spec in (*self.captures, *self.comparisons)],
            **self.readers.describe(),
            "engine": {"kind": self.engine.kind, "why": self.engine_why},
        }

    def _described_background(self) -> dict[str, Any] | None:
        """As a task, and what the configuration calls it: `rescore` knows it by that."""
        wanted = background_of(self.scorers)
        if self.background is None or wanted is None:
            return None
        return {**_describe_task(self.background), "asked": wanted[1]}


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
    chosen = make_scorers(config)
    calibrated = not measured or config.calibration is not None
    check_calibrators(config, together=not measured)
    comparisons = required_comparisons(chosen.values())
    choosing = chosen_by(comparisons)
    needing: list[Needs] = [*chosen.values(), *_answers(config, choosing, chosen)]
    response = richest_response(needing, {"max_new_tokens": config.response.max_new_tokens})
    captures = required_captures(needing, response)
    check_words(chosen, config)
    rule = chosen_rule(config.correctness)
    judges = rule is not None and "entailed" in rule.reads
    readers = make_readers(config, folder, comparisons, judges=judges)
    asked = asked_of_engine(config.models, comparisons)
    engine, why = make_engine(config, folder, [*captures, *asked])
    response = within_reach(engine, response)
    captures = required_captures(needing, response)
    check_captures(engine, chosen, [*captures, *asked])
    benchmark = (
        config.benchmark
        if isinstance(config.benchmark, BenchmarkSpec)
        else find_benchmark(config.benchmark, include_paths=include, relative_to=folder, place="benchmark")
    )
    further = {} if choosing is None else {"equivalence.threshold": CHOSEN}
    tasks = load_tasks(
        benchmark,
        config,
        chosen,
        relative_to=folder,
        include=include,
        further=further,
        calibrated=calibrated,
        measured=measured,
    )
    tasks = (_with_tuning(tasks[0], engine, config), *tasks[1:])
    background = load_background(benchmark, config, chosen, tasks, relative_to=folder, include=include)
    read = tasks if background is None else (*tasks, background)
    prompts, samples = tokenise(read, engine, config)
    if asked:
        chat = any(prompt.chat for prompt in prompts)
        readers = replace(readers, judge=JudgeReader(engine, asked[0], chat=chat))
    scored = [*([EVALUATED] if measured else []), *([CALIBRATION] if calibrated else [])]
    splits = capture_splits(needing, response, *scored)
    judging = make_judging(
        config.correctness,
        [{"name": task.name, "correctness": task.loaded.spec.correctness} for task in tasks],
        samples,
        relative_to=folder,
    )
    check_verdicts(chosen, judged=judging is not None)
    check_shown(captures, rule)
    if choosing is not None and judging is None:
        raise ConfigError(
            f"{THRESHOLD} is chosen by judged answers, and this run judges none",
            hint="'correctness' says how they are judged; 'threshold: 0.8' needs none",
        )
    return Plan(
        config,
        folder,
        benchmark,
        tasks,
        engine,
        why,
        chosen,
        captures,
        splits,
        samples,
        prompts,
        comparisons,
        readers,
        judging,
        choosing,
        background,
    )


def _with_tuning(id_task: PlannedTask, engine: Engine, config: RunConfig) -> PlannedTask:
    """The ID task, with a check where the `train` rows that are read are not those that an adapter was tuned on."""
    local = engine.spoken if isinstance(engine, WithEncoder) else engine
    if SHOWN not in id_task.fitted or not isinstance(local, LocalEngine) or not local.adapters:
        return id_task
    loaded = id_task.loaded
    found = compare_train(local.adapters, local.weights("base"), loaded.samples[SHOWN], config)
    return replace(id_task, loaded=replace(loaded, checks=[*loaded.checks, *found])) if found else id_task


@dataclass(frozen=True, slots=True)
class _Answers:
    """What asks for the answers that are to be judged, whatever the scorers need."""

    needs: tuple[CaptureSpec, ...]
    fit_needs: tuple[CaptureSpec, ...] = ()
    background_needs: tuple[CaptureSpec, ...] = ()
    fitted_on: Split | None = None
    chosen_on: Split | None = None


def _answers(
    config: RunConfig, choosing: CaptureSpec | None, scorers: Mapping[str, Scorer]
) -> list[_Answers]:
    """Whether correctness is asked for: then the tuned model answers, also where no scorer needs that.

    Args:
        choosing: the comparison whose threshold is chosen by judged answers, and so asks for them.
        scorers: where one learns from which answers are right, a judge is asked about those that it learns from too.
    """
    split: Split | None = None if choosing is None else CHOSEN
    chosen = [] if choosing is None else [_Answers((), compared(choosing)[:1], fitted_on=split)]
    if not asks_for_answers(config.correctness) and choosing is None:
        return []
    if "tuned" not in config.models.by_role:
        raise ConfigError("correctness: judges the tuned model's answers, and models.tuned is missing")
    response = CaptureSpec.of("response", "tuned", max_new_tokens=config.response.max_new_tokens)
    rule = chosen_rule(config.correctness)
    judged = rule is not None and "reply" in rule.reads
    needs = (response, replies_of(config.models)) if judged else (response,)
    learning = [
        _Answers((), needs, fitted_on=scorer.fitted_on, chosen_on=scorer.chosen_on)
        for scorer in scorers.values()
        if judged and scorer.reads_correctness
    ]
    return [*chosen, *learning, _Answers(needs, fitted_on=split)]


def check_words(chosen: Mapping[str, Scorer], config: RunConfig) -> None:
    """Refuse what compares answers where none of their words are kept.

    Raises:
        ConfigError: a scorer reads them.
    """
    reading = next((name for name, scorer in chosen.items() if scorer.reads_answers), None)
    if reading and not config.text:
        raise ConfigError(
            f"scorers: {reading} reads the answers' words, and this run keeps none (--no-text)",
            hint="leave out the scorers that compare answers, or keep the text",
        )


def _describe_task(task: PlannedTask) -> dict[str, Any]:
    spec = task.loaded.spec
    return {
        "name": task.name,
        "version": spec.version,
        "description": spec.description,
        "homepage": spec.homepage,
        "correctness": spec.correctness,
        "population": task.population,
        "shift": task.shift,
        "severity": task.severity,
        "family": task.family,
        "fitted": list(task.fitted),
        "note": task.note,
        "samples": {split: len(samples) for split, samples in task.loaded.samples.items()},
        "calibrated": len(task.calibration),
        "evaluated": 0 if task.population == BACKGROUND else len(task.samples),
        "rejects": len(task.loaded.rejects),
        "carved": task.loaded.carved,
        "source": task.loaded.source,
        "licence": spec.licence,
        "citation": spec.citation,
        "known_flaws": list(spec.known_flaws),
        "checks": [asdict(check) for check in task.loaded.checks],
    }


def _describe_model(engine: Engine, role: str) -> dict[str, Any]:
    return {
        **engine.describe(role),
        "identity": engine.identity(role),
        "tokenizer": engine.tokenizer(role).identity,
    }
