"""What `llmood validate` finds out, as plain JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from llmood.config import Adapter, FullModel, RunConfig
from llmood.engines.folders import is_folder_name, resolve_adapter
from llmood.errors import ConfigError, MissingModelError
from llmood.paths import find_model_folder
from llmood.records import Check, Reject, Sample
from llmood.tasks import LoadedTask, TaskSpec, find_benchmark, find_task, load_task
from llmood.tasks.corruption_choice import cells_of, check_sides, corruptions_of
from llmood.tasks.survey import overlap_across, quantiles, spread, survey, survey_checks
from llmood.tokenise import without_values

if TYPE_CHECKING:
    from llmood.training.plan import TuningPlan

SAMPLES_SHOWN = 3
PROMPT_CHARACTERS = 2000

Found = dict[str, Any]


def task(file: str, include: Sequence[Path]) -> Found:
    """One task with every split that its data have, and `test`, which every run needs."""
    spec = _find_task(file, include)
    loaded = _load_all(spec)
    return {
        "task": spec.name,
        "splits": {split: len(samples) for split, samples in loaded.samples.items()},
        **_found([loaded], [survey(loaded).to_json()], _rendered(loaded.samples)),
    }


def benchmark(file: str, include: Sequence[Path]) -> Found:
    """A benchmark: each of its tasks, and what they share."""
    path = Path(file)
    spec = find_benchmark(str(path.resolve()) if path.is_file() else file, include_paths=include)
    folder = path.resolve().parent if path.is_file() else None
    loaded = [_load_all(find_task(spec.id, include_paths=include, relative_to=folder, place="id"))]
    shifts = ["none"]
    if spec.grid is not None:
        check_sides(loaded[0], cells_of(spec.grid, loaded[0].spec.name, "grid"), "grid.images")
    for position, ood in enumerate(spec.ood):
        name = loaded[0].spec.name
        if ood.task is not None:
            place = f"ood[{position}].task"
            other = find_task(ood.task, include_paths=include, relative_to=folder, place=place)
            name = other.name
            if name not in [known.spec.name for known in loaded]:
                loaded.append(load_task(other, ("test",)))
                shifts.append(ood.shift)
        if ood.corruption is not None:
            place = f"ood[{position}].corruption"
            of = next(known for known in loaded if known.spec.name == name)
            check_sides(of, corruptions_of(ood.corruption, ood.severity, name, place), place)
    first = {one.spec.name: one.samples["test"] for one in loaded}
    surveys = [survey(one).to_json() | {"shift": shift} for one, shift in zip(loaded, shifts, strict=True)]
    return {
        "benchmark": spec.name,
        "splits": {name: len(samples) for name, samples in first.items()},
        **_found(loaded, surveys, _rendered(first), overlap_across(loaded[0], loaded[1:])),
    }


def configuration(file: str, sets: list[str], include: Sequence[Path]) -> Found:
    """A configuration: all that a run finds out before a model loads, and what is still to be made."""
    from llmood.config_file import load_config
    from llmood.planning import make_plan

    config, folder, name = load_config(file, sets)
    missing = missing_adapters(config, folder)
    plan = make_plan(_with_base_for_tuned(config) if missing else config, folder=folder, include=include)
    tuning = _tuning(config, folder, include) if missing else None
    tokens = _tokens(plan.samples)
    surveys = []
    for planned in plan.tasks:
        # A tuning carves what the data lack, where a run without scorers that learn leaves it in train.
        loaded = tuning.task if tuning is not None and planned.population == "id" else planned.loaded
        seen = survey(loaded).to_json() | {"shift": planned.shift}
        seen |= {"tokens": tokens[planned.name], "made_of": _made_of(planned.samples)}
        surveys.append(seen)
    prompts = dict(
        zip(plan.samples["sample_id"].to_pylist(), plan.samples["prompt"].to_pylist(), strict=True)
    )
    tasks = [planned.loaded for planned in plan.tasks]
    shown = {planned.name: planned.samples for planned in plan.tasks if not _made_of(planned.samples)}
    found = _found(tasks, surveys, _rendered(shown, prompts), overlap_across(tasks[0], tasks[1:]))
    # The plan's own words hold the tasks' checks already.
    foreseen = [_line(check) for check in plan.foreseen()]
    found["checks"] = list(dict.fromkeys([*foreseen, *found["checks"]]))
    found["to_do"] = _to_do(missing, tuning, file) if tuning is not None else []
    if plan.background is not None:
        found["rejects"] += [_reject(reject) for reject in plan.background.loaded.rejects]
    counts = {planned.name: len(planned.samples) for planned in plan.read}
    if not config.text:  # a terminal may be a pipeline's log
        kept = [_reject(without_values(reject)) for reject in plan.rejects]
        found |= {"samples": [], "prompts": [], "rejects": kept}
    return {"configuration": name, "splits": counts, **found}


def missing_adapters(config: RunConfig, folder: Path | None) -> dict[str, str]:
    """The tuned roles whose adapter is neither a folder nor on the hub, and that `llmood finetune` would make."""
    if config.engine.kind == "openai":
        return {}  # it takes none, and says so
    return {
        role: model.adapter
        for role, model in config.models.by_role.items()
        if isinstance(model, Adapter) and _is_missing(model, config.engine.kind, folder)
    }


def _is_missing(adapter: Adapter, engine: str, folder: Path | None) -> bool:
    name = adapter.adapter
    if find_model_folder(name, relative_to=folder) is not None or adapter.revision is not None:
        return False
    if is_folder_name(name) or engine not in ("auto", "transformers"):  # another engine has names of its own
        return is_folder_name(name)
    try:
        # `adapters/mine` may be a repository too: only the hub can tell.
        resolve_adapter(adapter, place="models.tuned", relative_to=folder)
    except MissingModelError:
        return True
    return False


def _with_base_for_tuned(config: RunConfig) -> RunConfig:
    """The configuration with the base in the place of adapters that aren't there: all else can be checked."""
    base = config.models.base
    if base is None:
        raise ConfigError(
            "models.tuned: no such adapter yet, and no models.base to make it of", hint="name models.base"
        )
    stand_in = FullModel(model=base.model, revision=base.revision)
    return config.model_copy(update={"models": config.models.model_copy(update={"tuned": stand_in})})


def _tuning(config: RunConfig, folder: Path | None, include: Sequence[Path]) -> TuningPlan:
    """What a tuning would do; its own mistakes are found here too."""
    from llmood.training.plan import make_tuning_plan

    return make_tuning_plan(config, folder=folder, include=include)


def _to_do(missing: Mapping[str, str], plan: TuningPlan, file: str) -> list[str]:
    """What a tuning would learn from."""
    texts = f"{len(plan.train.rows)} texts ({plan.train.tokens} tokens), {plan.steps} steps an adapter"
    found = []
    for role, name in missing.items():
        nowhere = "" if is_folder_name(name) else ", and none from the hub"
        found.append(
            f"models.{role}: no folder '{name}' yet{nowhere}; 'llmood finetune {file}' makes it of {texts}"
        )
    for split, examples in (("train", plan.train), ("validation", plan.validation)):
        found += [
            f"{count} texts of {split} are left out: {why}"
            for why, count in sorted(examples.left_out.items())
        ]
    return found


def _find_task(file: str, include: Sequence[Path]) -> TaskSpec:
    path = Path(file)
    return find_task(str(path.resolve()) if path.is_file() else file, include_paths=include)


def _load_all(spec: TaskSpec) -> LoadedTask:
    """Every split that the data have; `test` is carved where it is lacking, as a run would."""
    loaded = load_task(spec)
    has = list(loaded.samples)
    return loaded if "test" in has or "train" not in has else load_task(spec, (*has, "test"))


def _found(
    tasks: Sequence[LoadedTask],
    surveys: list[dict[str, Any]],
    samples: list[dict[str, Any]],
    more: Iterable[Check] = (),
) -> Found:
    checks = [check for one in tasks for check in (*one.checks, *survey_checks(one))]
    return {
        "tasks": surveys,
        "samples": samples,
        "prompts": [sample["prompt"] for sample in samples],
        "checks": list(dict.fromkeys(_line(check) for check in (*checks, *more))),
        "rejects": [_reject(reject) for one in tasks for reject in one.rejects],
        "to_do": [],
    }


def _rendered(
    samples: Mapping[Any, Sequence[Sample]], prompts: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Some samples as a model gets them, or, of a task alone, as they are before any chat template."""
    shown = []
    for _, sample in spread(samples, SAMPLES_SHOWN):
        prompt = (prompts or {}).get(sample.sample_id) or _plain(sample)
        cut = prompt if len(prompt) <= PROMPT_CHARACTERS else f"{prompt[:PROMPT_CHARACTERS]} …"
        shown.append(
            {
                "task": sample.task,
                "split": sample.split,
                "source_line": sample.source_line,
                "prompt": cut,
                "references": list(sample.references),
            }
        )
    return shown


def _plain(sample: Sample) -> str:
    if not sample.chat:
        return sample.text
    return "\n".join(f"[{message.role}] {message.content}" for message in sample.messages)


def _made_of(samples: Sequence[Sample]) -> bool:
    """Whether these are another task's samples with mistakes in them, whose fields are the other's."""
    return bool(samples) and all(sample.cells for sample in samples) and samples[0].parent_id is not None


def _tokens(samples: pa.Table) -> dict[str, dict[str, tuple[int, ...]]]:
    """Quantiles of the prompts' lengths in tokens, by task and split."""
    found: dict[str, dict[str, list[int]]] = {}
    columns = (samples[name].to_pylist() for name in ("task", "split", "prompt_tokens"))
    for name, split, count in zip(*columns, strict=True):
        found.setdefault(name, {}).setdefault(split, []).append(count)
    return {
        name: {split: quantiles(counts) for split, counts in splits.items()} for name, splits in found.items()
    }


def _line(check: Check) -> str:
    return f"{check.severity}: {check.detail}"


def _reject(reject: Reject) -> str:
    return f"{reject.file}:{reject.line}: {reject.reason}"
