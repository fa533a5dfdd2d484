"""`llmood validate`: is a configuration or a task right, before it costs anything?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from llmood.cli import options
from llmood.cli.errors import FAILED, reader_may_leave
from llmood.cli.terminal import print_json, say
from llmood.errors import ConfigError

NAME = "validate"
EPILOG = "Examples: llmood validate mine.yaml · llmood validate tasks/mine/mine.yaml"
SAMPLES_SHOWN = 3


def command(
    file: Annotated[str, typer.Argument(help="A configuration or a task: a YAML file or a built-in name.")],
    sets: options.Set = None,
    include_path: options.IncludePath = None,
    as_json: options.AsJson = False,
) -> None:
    """Check a configuration (names, models, data, prompts, tokens) or a task (files, fields, splits, prompts)."""
    include = include_path or []
    found = _task(file, include) if _is_task(file, include) else _config(file, sets or [], include)
    with reader_may_leave():
        if as_json:
            print_json(found)
        else:
            _print(found)
    if found["rejects"]:
        raise typer.Exit(FAILED)


def _is_task(file: str, include: Sequence[Path]) -> bool:
    from llmood.paths import builtin_root
    from llmood.tasks import list_tasks
    from llmood.yaml_files import read_yaml

    path = Path(file)
    if path.is_file():
        data = read_yaml(path)
        keys = set(data) if isinstance(data, dict) else set()
        if "id" in keys and "benchmark" not in keys:
            raise ConfigError(
                f"{file}: is a benchmark", hint="validate its tasks, or a configuration that names it"
            )
        return not keys.isdisjoint(("sources", "prompt", "messages"))
    is_config = (builtin_root() / "configs" / f"{file}.yaml").is_file()
    return not is_config and any(spec.name == file for spec in list_tasks(include_paths=include))


def _task(file: str, include: Sequence[Path]) -> dict[str, Any]:
    from llmood.tasks import find_task, load_task

    path = Path(file)
    spec = find_task(str(path.resolve()) if path.is_file() else file, include_paths=include)
    loaded = load_task(spec)
    everything = [sample for samples in loaded.samples.values() for sample in samples]
    return {
        "task": spec.name,
        "splits": {split: len(samples) for split, samples in loaded.samples.items()},
        "prompts": [sample.text for sample in everything[:SAMPLES_SHOWN]],
        "checks": [f"{check.severity}: {check.detail}" for check in loaded.checks],
        "rejects": [f"{reject.file}:{reject.line}: {reject.reason}" for reject in loaded.rejects],
    }


def _config(file: str, sets: list[str], include: Sequence[Path]) -> dict[str, Any]:
    from llmood.config_file import load_config
    from llmood.plan import make_plan

    config, folder, name = load_config(file, sets)
    plan = make_plan(config, folder=folder, include=include)
    return {
        "configuration": name,
        "splits": {task.name: len(task.samples) for task in plan.tasks},
        "prompts": [text for text in plan.samples["prompt"].to_pylist()[:SAMPLES_SHOWN] if text],
        "checks": [f"{check.severity}: {check.detail}" for check in plan.foreseen()],
        "rejects": [f"{reject.file}:{reject.line}: {reject.reason}" for reject in plan.rejects],
    }


def _print(found: dict[str, Any]) -> None:
    say(", ".join(f"{name}: {count} samples" for name, count in found["splits"].items()))
    for prompt in found["prompts"]:
        say(f"---\n{prompt}")
    say("---")
    for line in (*found["checks"], *(f"rejected: {line}" for line in found["rejects"][:20])):
        say(line)
    if len(found["rejects"]) > 20:
        say(f"… and {len(found['rejects']) - 20} rejected rows more")
    say("valid" if not found["rejects"] else f"{len(found['rejects'])} rows can't be read; the rest is valid")
