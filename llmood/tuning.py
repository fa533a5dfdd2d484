"""Tuning the adapters that a configuration names, on its ID task: `finetune` makes them, a run then reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from llmood.config import Adapter, RunConfig
from llmood.config_file import load_config
from llmood.engines.adapter_fit import check_adapter
from llmood.engines.folders import resolve_adapter
from llmood.progress import Progress
from llmood.records import Reject
from llmood.tokenise import without_values
from llmood.training.card import make_card, make_record
from llmood.training.folder import AdapterFolder
from llmood.training.loop import Loop
from llmood.training.outputs import Output
from llmood.training.pictures import pixels_of
from llmood.training.plan import TuningPlan, make_tuning_plan


@dataclass(frozen=True, slots=True)
class Tuned:
    """One adapter.

    Attributes:
        name: how a configuration names it, under `models.tuned`.
        folder: where it is.
        made: whether it was made now; else it was there already.
        record: what its `training.json` says: data, settings, losses.
        rejects: the rows that can't be read now; an adapter that was there already may know of others.
        left_out: why texts of each split are left out now, and how many.
    """

    name: str
    folder: Path
    made: bool
    record: Mapping[str, Any]
    rejects: Sequence[Reject]
    left_out: Mapping[str, Mapping[str, int]]

    @property
    def loss_before(self) -> float:
        """The base's own mean loss a token on `validation`."""
        return float(self.record["loss"]["before"])

    @property
    def loss(self) -> float:
        """The best epoch's mean loss a token on `validation`: that of the adapter."""
        return float(self.record["loss"]["best"]["validation_loss"])


def plan_finetune(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    include: Sequence[Path] = (),
) -> TuningPlan:
    """What `finetune` would do, with the same arguments; nothing is loaded or written.

    Raises:
        ConfigError: as `finetune`.
    """
    parsed, folder, _ = load_config(config, overrides)
    target = Path(output_dir) if output_dir is not None else None
    plan = make_tuning_plan(parsed, folder=folder, output_dir=target, include=include)
    for output in plan.outputs:
        plan.folder(output).claim()
    return plan


def finetune(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    include: Sequence[Path] = (),
    progress: Progress | None = None,
) -> list[Tuned]:
    """Tune `models.base` on the benchmark's ID task, once for each seed, or go on with it where it stopped.

    The same folders and configuration resume; a finished adapter is not made again.

    Args:
        config: a YAML file, a built-in configuration's name, a mapping, or a `RunConfig`.
        output_dir: the adapter's folder; by default the one that `models.tuned` names.
        overrides: `key.path=value` on top of the configuration.
        include: folders with further tasks and benchmarks.
        progress: shows how far it is; silent by default.

    Raises:
        ConfigError: a mistake found before any model loads; nothing is written.
        EngineError: the base can't be loaded or trained.
        StoreError: a checkpoint can't be written; the training can be resumed.
    """
    progress = progress or Progress()
    progress.say("reading tasks")
    plan = plan_finetune(config, output_dir=output_dir, overrides=overrides, include=include)
    return [_tune(plan, output, progress) for output in plan.outputs]


def _tune(plan: TuningPlan, output: Output, progress: Progress) -> Tuned:
    folder = plan.folder(output)
    record = folder.record
    if record is not None:
        folder.clear()  # a kill may have struck between the last file and the end
        return _tuned(plan, output, record, made=False)
    with folder.locked():
        record = _train(plan, output, folder, progress)
    adapter = resolve_adapter(Adapter(adapter=str(output.folder)), place=str(output.folder), relative_to=None)
    check_adapter(adapter, plan.base)
    return _tuned(plan, output, record, made=True)


def _tuned(plan: TuningPlan, output: Output, record: Mapping[str, Any], *, made: bool) -> Tuned:
    left_out = {
        "train": dict(plan.train.left_out),
        "validation": dict(plan.validation.left_out),
    }
    return Tuned(output.name, output.folder, made, record, tuple(rejects_of(plan)), left_out)


def _train(plan: TuningPlan, output: Output, folder: AdapterFolder, progress: Progress) -> dict[str, Any]:
    from llmood.training.models.lora import LoraModel

    label = output.folder.name if len(plan.outputs) > 1 else "tuning"
    progress.say("loading the model")
    model = LoraModel(
        plan.base.folder,
        plan.settings,
        plan.targets,
        seed=output.seed,
        dtype=plan.dtype,
        device=plan.device,
        trust_remote_code=plan.config.engine.trust_remote_code,
        pixels=partial(pixels_of, plan.tokenizer),
    )
    shown = next((row for row in plan.train.rows if row.pictures), None)
    if shown is not None:
        model.check_causal(shown)
    history = Loop(
        model,
        plan.train.rows,
        plan.validation.rows,
        settings=plan.settings,
        seed=output.seed,
        folder=folder,
        progress=progress,
        label=label,
    ).run()
    record = make_record(plan, output, history, rejects_of(plan))
    config = {
        **model.adapter_config(),
        "base_model_name_or_path": plan.base.name,
        "revision": plan.base.commit,
    }
    folder.finish(history.best.epoch, config, record, make_card(record))
    return record


def rejects_of(plan: TuningPlan) -> list[Reject]:
    """The rows that can't be read, without their values where the configuration keeps texts private."""
    found = [reject for task in (plan.task, *(task for task, _ in plan.mixed)) for reject in task.rejects]
    return found if plan.config.text else [without_values(reject) for reject in found]
