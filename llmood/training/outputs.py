"""Which adapters are made, where, and of which seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmood.config import Adapter, RunConfig
from llmood.errors import ConfigError
from llmood.paths import builtin_root


@dataclass(frozen=True, slots=True)
class Output:
    """One adapter to make.

    Attributes:
        name: how a configuration names it.
        folder: where it is written.
    """

    name: str
    folder: Path
    seed: int


def outputs_of(
    config: RunConfig, *, folder: Path | None, output_dir: Path | None = None
) -> tuple[Output, ...]:
    """The adapters that `models.tuned` names (or `output_dir`), paired with the seeds.

    One adapter and several seeds make `<adapter>-seed<k>` each.

    Args:
        folder: the configuration's own; None where it has none.

    Raises:
        ConfigError: no adapter is named, adapters and seeds don't pair up, or a run would take another folder for one.
    """
    names = [str(output_dir)] if output_dir is not None else _named(config)
    given = config.finetune.seeds
    seeds = given or tuple(config.seed + index for index in range(len(names)))
    if len(names) == 1 and len(seeds) > 1:
        names = [f"{names[0]}-seed{seed}" for seed in seeds]
    if len(names) != len(seeds):
        raise ConfigError(
            f"finetune.seeds: {len(seeds)} seeds, and models.tuned names {len(names)} adapters",
            hint="as many seeds as adapters, or one adapter",
        )
    start = Path() if output_dir is not None else _start(folder)
    found = tuple(
        Output(name, start / Path(name).expanduser(), seed) for name, seed in zip(names, seeds, strict=True)
    )
    for output in found:
        _check_found(output)
    return found


def named_adapters(config: RunConfig) -> list[str]:
    """What `models.tuned` calls its adapters, in order; a whole model is none."""
    tuned = config.models.tuned
    adapters = tuned if isinstance(tuned, tuple) else (tuned,)
    return [adapter.adapter for adapter in adapters if isinstance(adapter, Adapter)]


def _named(config: RunConfig) -> list[str]:
    hint = "write models.tuned: {adapter: FOLDER}, or give the folder with -o"
    tuned = config.models.tuned
    if tuned is None:
        raise ConfigError("models.tuned: names no adapter to make", hint=hint)
    adapters = tuned if isinstance(tuned, tuple) else (tuned,)
    names = []
    for adapter in adapters:
        if not isinstance(adapter, Adapter):
            raise ConfigError("models.tuned: is a whole model, not an adapter to make", hint=hint)
        if adapter.revision is not None:
            raise ConfigError("models.tuned.revision: an adapter that is to be made has none", hint=hint)
        names.append(adapter.adapter)
    return names


def _start(folder: Path | None) -> Path:
    """Where a relative adapter's folder starts: beside the user's configuration; but not within llmood itself."""
    if folder is None or folder.resolve().is_relative_to(builtin_root().resolve() / "configs"):
        return Path()
    return folder


def _check_found(output: Output) -> None:
    """Make sure that a run which names the adapter will find this one: it looks in the working directory first."""
    first = Path(output.name).expanduser()
    if first.is_dir() and first.resolve() != output.folder.resolve():
        raise ConfigError(
            f"models.tuned.adapter: {output.folder} would be made, and a run started here would take {first.resolve()}",
            hint="start it from another folder, or name the adapter by its whole path",
        )
