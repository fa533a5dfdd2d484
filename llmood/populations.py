"""A benchmark's populations, loaded: the ID task, the OOD tasks, and those that are made by corrupting one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from llmood.config import BenchmarkSpec, RunConfig, ShiftedTask
from llmood.engines.captures import SHOWN, shows_shots
from llmood.errors import ConfigError, DataError
from llmood.picture_records import Corruptions
from llmood.records import CALIBRATION, EVALUATED, SPLITS, Check, Sample, Split
from llmood.scorers.base import Scorer
from llmood.scoring import background_of
from llmood.tasks import LoadedTask, TaskSpec, find_task, load_task
from llmood.tasks.corrupted import corrupted
from llmood.tasks.corruption_choice import cells_of, check_sides, corruptions_of
from llmood.tasks.splits import content_key
from llmood.tokenise import PlannedTask

BACKGROUND_SPLIT: Split = "train"
LEAST_BACKGROUND = 3  # rows: the covariance of two is singular, and nothing says how much to shrink it
"""What is read of a background, where it has that."""


def load_tasks(
    benchmark: BenchmarkSpec,
    config: RunConfig,
    scorers: Mapping[str, Scorer],
    *,
    relative_to: Path | None,
    include: Sequence[Path],
    further: Mapping[str, Split] = MappingProxyType({}),
    calibrated: bool = False,
    measured: bool = True,
) -> tuple[PlannedTask, ...]:
    """The populations of a benchmark, ID first.

    Args:
        further: what else than scorers reads a split of the ID task, and which.
        calibrated: whether the ID task's `calibration` rows are scored.
        measured: whether the `test` rows are; else the OOD tasks are left alone.

    Raises:
        ConfigError: a name is unknown, or a population stands there twice or as ID and OOD.
        DataError: the ID task lacks a split that a scorer learns from, or `calibration`.
    """
    benchmark = benchmark if measured else benchmark.model_copy(update={"ood": (), "grid": None})
    found = {
        place: find_task(name, include_paths=include, relative_to=relative_to, place=place)
        for place, name in _wanted(benchmark)
    }
    id_spec = found["benchmark.id"]
    graded = benchmark.grid is not None or any(ood.corruption for ood in benchmark.ood)
    id_task = _load_id(id_spec, config, scorers, further, calibrated=calibrated, keep_cells=graded)
    id_task = replace(id_task, measured=measured)
    planned = [id_task]
    loaded = {id_spec.name: id_task.loaded}
    for position, ood in enumerate(benchmark.ood):
        place = f"benchmark.ood[{position}]"
        spec = found.get(f"{place}.task", id_spec)
        if spec.name not in loaded:
            loaded[spec.name] = load_task(
                spec, (EVALUATED,), limit=config.limit, seed=config.seed, keep_cells=graded
            )
        planned += _populations(ood, loaded[spec.name], config.seed, f"{place}.corruption")
    if benchmark.grid is not None:
        there = {task.name for task in planned}
        wanted = [cell for cell in cells_of(benchmark.grid, id_spec.name) if cell.name not in there]
        check_sides(id_task.loaded, wanted, "benchmark.grid.images")
        planned += _corrupted(id_task.loaded, wanted, config.seed)
    _check_names(benchmark, planned)
    return tuple(planned)


def _wanted(benchmark: BenchmarkSpec) -> list[tuple[str, str]]:
    ood = [(f"benchmark.ood[{position}].task", ood.task) for position, ood in enumerate(benchmark.ood)]
    return [("benchmark.id", benchmark.id), *((place, name) for place, name in ood if name is not None)]


def shows_pictures(benchmark: BenchmarkSpec, *, relative_to: Path | None, include: Sequence[Path]) -> bool:
    """Whether a task of it has pictures, as its YAML says; no row is read.

    Raises:
        ConfigError: a name is unknown.
    """
    specs = (
        find_task(name, include_paths=include, relative_to=relative_to, place=place)
        for place, name in _wanted(benchmark)
    )
    return any(spec.fields_of(source).images is not None for spec in specs for source in spec.sources)


def _populations(ood: ShiftedTask, loaded: LoadedTask, seed: int, place: str) -> list[PlannedTask]:
    """One OOD task; of a corruption without a grade, each grade."""
    if ood.corruption is None:
        return [PlannedTask(loaded, "ood", ood.shift, ood.severity, ood.note, ood.family)]
    wanted = corruptions_of(ood.corruption, ood.severity, loaded.spec.name, place)
    check_sides(loaded, wanted, place)
    return _corrupted(loaded, wanted, seed, ood.note)


def _corrupted(
    loaded: LoadedTask, wanted: Sequence[Corruptions], seed: int, note: str | None = None
) -> list[PlannedTask]:
    return [
        PlannedTask(task, "ood", "covariate", each.severity, note, each.family, each)
        for each, task in zip(wanted, corrupted(loaded, wanted, split=EVALUATED, seed=seed), strict=True)
    ]


def _load_id(
    spec: TaskSpec,
    config: RunConfig,
    scorers: Mapping[str, Scorer],
    further: Mapping[str, Split],
    *,
    calibrated: bool,
    keep_cells: bool,
) -> PlannedTask:
    """The ID task with all its splits: what its test rows share with the tuning's rows is checked."""

    def load(splits: tuple[Split, ...] | None) -> LoadedTask:
        return load_task(spec, splits, limit=config.limit, seed=config.seed, keep_cells=keep_cells)

    of_scorers = (
        split
        for scorer in scorers.values()
        for split in (scorer.fitted_on, scorer.chosen_on, SHOWN if shows_shots(scorer.needs) else None)
    )
    fitted = tuple(dict.fromkeys(split for split in (*of_scorers, *further.values()) if split is not None))
    loaded = load(None)
    asked = {*loaded.samples, EVALUATED, *([CALIBRATION] if calibrated else [])}
    if fitted or asked > loaded.samples.keys():
        # What the data lacks is carved; what no step asks for isn't. Scorers that learn ask for every split, so that
        # they learn from the very rows that `llmood finetune` trains on, and not from more.
        try:
            loaded = load(SPLITS if fitted else tuple(asked))
        except DataError as error:
            if not fitted:
                raise
            own = [name for name, scorer in scorers.items() if scorer.fitted_on or shows_shots(scorer.needs)]
            learning = ", ".join((*own, *further))
            verb = "learns" if len(own) + len(further) == 1 else "learn"
            raise DataError(
                f"{error.message} ({learning} {verb} from {', '.join(fitted)})", hint=error.hint
            ) from None
    for name, scorer in scorers.items():
        if scorer.fitted_on:
            _check_learning(name, scorer, loaded.samples[scorer.fitted_on])
    return PlannedTask(loaded, "id", "none", fitted=fitted, calibrated=calibrated)


def _check_learning(name: str, scorer: Scorer, rows: Sequence[Sample]) -> None:
    """Refuse rows that a scorer could learn nothing from: it would score nothing, and be found out after the run."""
    scorer.check_train([sample.text for sample in rows])
    try:
        scorer.check_classes([sample.label for sample in rows], [sample.domain for sample in rows])
    except ConfigError as error:
        raise ConfigError(f"scorers: {name} {error.message}", hint=error.hint) from None


def load_background(
    benchmark: BenchmarkSpec,
    config: RunConfig,
    scorers: Mapping[str, Scorer],
    tasks: Sequence[PlannedTask],
    *,
    relative_to: Path | None,
    include: Sequence[Path],
) -> PlannedTask | None:
    """The task that scorers name as their background: its `train` rows, or all of one without `train`.

    Rows that the benchmark measures, word for word, leave it: nothing is fitted on them.

    Args:
        tasks: the benchmark's.

    Raises:
        ConfigError: there is no such task, or the benchmark is made of it.
        DataError: no row is left, or too few to have a covariance.
    """
    wanted = background_of(scorers)
    if wanted is None:
        return None
    place = f"scorers: {wanted[0]}: background"

    def find(name: str) -> str:
        return find_task(name, include_paths=include, relative_to=relative_to).name

    spec = find_task(wanted[1], include_paths=include, relative_to=relative_to, place=place)
    if spec.name == tasks[0].name:
        raise ConfigError(f"{place}: {spec.name} is the ID task", hint="without a background it is just that")
    if spec.name in {*(task.name for task in tasks), *(find(name) for _, name in _wanted(benchmark))}:
        raise ConfigError(
            f"{place}: {spec.name} is one of the benchmark's OOD tasks, and nothing is fitted on OOD data",
            hint="name a task that the benchmark doesn't measure",
        )
    loaded = load_task(spec, limit=config.limit, seed=config.seed)
    splits = [split for split in loaded.samples if split == BACKGROUND_SPLIT] or list(loaded.samples)
    measured = {content_key(sample) for task in tasks for sample in (*task.samples, *task.calibration)}
    kept = {
        split: [sample for sample in loaded.samples[split] if content_key(sample) not in measured]
        for split in splits
    }
    rows = sum(map(len, kept.values()))
    left = sum(len(loaded.samples[split]) for split in splits) - rows
    if not rows:
        raise DataError(f"{place}: {spec.name} has no row that the benchmark doesn't measure")
    if rows < LEAST_BACKGROUND:
        raise DataError(
            f"{place}: {spec.name} has {rows} row{'s' if rows > 1 else ''} that the benchmark doesn't measure, and "
            f"no spread can be learned from fewer than {LEAST_BACKGROUND}",
            hint="name a task with more, or raise the limit",
        )
    checks = [*loaded.checks, *([_left_background(spec.name, left)] if left else [])]
    return PlannedTask(replace(loaded, samples=kept, checks=checks), "background", "none")


def _left_background(task: str, left: int) -> Check:
    return Check(
        code="overlap_left_background",
        severity="info",
        title="Rows left the background",
        detail=f"{left} rows of the background {task} are measured too, word for word, and left it.",
        task=task,
        values={"rows": left},
    )


def _check_names(benchmark: BenchmarkSpec, planned: Sequence[PlannedTask]) -> None:
    names = [task.name for task in planned]
    if names[0] in names[1:]:
        raise ConfigError(f"benchmark {benchmark.name}: the task '{names[0]}' is both ID and OOD")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"benchmark {benchmark.name}: the OOD task '{repeated[0]}' stands there twice")
