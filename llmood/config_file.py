"""From a file's path, a built-in name or a mapping to a run's configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmood.config import RunConfig
from llmood.errors import ConfigError, StoreError
from llmood.paths import builtin_root
from llmood.registry import suggest
from llmood.strict import parse
from llmood.yaml_files import apply_overrides, read_yaml

CONFIG = "config.yaml"  # what `llmood init` calls every configuration, in a folder of its own


def load_config(
    config: RunConfig | Mapping[str, Any] | str | Path, overrides: Sequence[str] = ()
) -> tuple[RunConfig, Path | None, str]:
    """A configuration from a YAML file, a folder that `llmood init` made, a built-in name ("demo"), or a mapping.

    Returns:
        (configuration, the folder where its relative paths start, its name).
    """
    if isinstance(config, RunConfig):
        config = config.model_dump(mode="json")
    if isinstance(config, Mapping):
        parsed = parse(RunConfig, apply_overrides(config, overrides), place="configuration")
        return parsed, None, _name_of(parsed)
    path = _config_file(Path(config))
    data = read_yaml(path)
    if not isinstance(data, Mapping):
        raise ConfigError(f"{path}: a mapping of keys is needed, see configs/demo.yaml")
    parsed = parse(RunConfig, apply_overrides(data, overrides), place=str(path))
    return (
        parsed,
        path.parent.resolve(),
        # Every configuration of `llmood init` is called so.
        _name_of(parsed) if path.stem == "config" else path.stem,
    )


def recorded_config(config: Any, *, place: str) -> RunConfig:
    """A configuration that a run keeps: whoever reads it didn't write it, so what is wrong is damage.

    Raises:
        StoreError: it is none.
    """
    try:
        return parse(RunConfig, config, place=place)
    except ConfigError as error:
        raise StoreError(error.message, hint=error.hint) from None


def _config_file(given: Path) -> Path:
    if given.is_file():
        return given
    if (given / CONFIG).is_file():
        return given / CONFIG
    builtin = builtin_root() / "configs" / f"{given.name.removesuffix('.yaml')}.yaml"
    if builtin.is_file() and given.parent == Path():
        return builtin
    known = [path.stem for path in (builtin_root() / "configs").glob("*.yaml")]
    known += [str(path) for path in given.parent.glob("[!.]*.yaml")] if given.parent.is_dir() else []
    raise ConfigError(f"no configuration file '{given}'", hint=suggest(str(given), known))


def _name_of(config: RunConfig) -> str:
    return config.benchmark if isinstance(config.benchmark, str) else config.benchmark.name
