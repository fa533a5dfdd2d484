"""A benchmark's populations, loaded: the ID task, the OOD tasks, and those that are made by corrupting one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from llmood.config import BenchmarkSpec, RunConfig, ShiftedTask
from llmood.engines.captures import SHOWN, shows_shots
from llmood.errors import ConfigError, DataError
from llmood.records import CALIBRATION, EVALUATED, SPLITS, Split
from llmood.scorers.base import Scorer
from llmood.tasks import LoadedTask, TaskSpec, find_task, load_task
from llmood.tasks.corrupt import CORRUPTIONS, GRADES
from llmood.tasks.corrupted import corrupted_grades, family_of
from llmood.tokenise import PlannedTask


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
    benchmark = benchmark if measured else benchmark.model_copy(update={"ood": ()})
    found = {
        place: find_task(name, include_paths=include, relative_to=relative_to, place=place)
        for place, name in _wanted(benchmark)
    }
    id_spec = found["benchmark.id"]
    graded = any(ood.corruption for ood in benchmark.ood)
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
    _check_names(benchmark, planned)
    return tuple(planned)


def _wanted(benchmark: BenchmarkSpec) -> list[tuple[str, str]]:
    ood = [(f"benchmark.ood[{position}].task", ood.task) for position, ood in enumerate(benchmark.ood)]
    return [("benchmark.id", benchmark.id), *((place, name) for place, name in ood if name is not None)]


def _populations(ood: ShiftedTask, loaded: LoadedTask, seed: int, place: str) -> list[PlannedTask]:
    """One OOD task; of a corruption without a grade, each grade."""
    if ood.corruption is None:
        return [PlannedTask(loaded, "ood", ood.shift, ood.severity, ood.note, ood.family)]
    CORRUPTIONS.get(ood.corruption, place=place)
    if ood.severity is not None and ood.severity not in GRADES:
        raise ConfigError(
            f"{place.removesuffix('.corruption')}.severity: {ood.severity} is no grade of a corruption",
            hint=f"grades: {', '.join(map(str, GRADES))}; without one, all of them",
        )
    family = family_of(loaded.spec.name, ood.corruption)
    grades = GRADES if ood.severity is None else (ood.severity,)
    made = corrupted_grades(loaded, ood.corruption, grades, split=EVALUATED, seed=seed)
    return [
        PlannedTask(task, "ood", ood.shift, grade, ood.note, family)
        for grade, task in zip(grades, made, strict=True)
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
            own = (name for name, scorer in scorers.items() if scorer.fitted_on or shows_shots(scorer.needs))
            learning = ", ".join((*own, *further))
            raise DataError(
                f"{error.message} ({learning} learn from {', '.join(fitted)})", hint=error.hint
            ) from None
    for scorer in scorers.values():
        if scorer.fitted_on:
            scorer.check_train([sample.text for sample in loaded.samples[scorer.fitted_on]])
    return PlannedTask(loaded, "id", "none", fitted=fitted, calibrated=calibrated)


def _check_names(benchmark: BenchmarkSpec, planned: Sequence[PlannedTask]) -> None:
    names = [task.name for task in planned]
    if names[0] in names[1:]:
        raise ConfigError(f"benchmark {benchmark.name}: the task '{names[0]}' is both ID and OOD")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"benchmark {benchmark.name}: the OOD task '{repeated[0]}' stands there twice")
