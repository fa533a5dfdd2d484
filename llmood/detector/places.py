"""Where a detector's models are: short names in what its digest covers, their folders in `models.json` beside it.

The same models elsewhere are the same detector, so that no digest covers a place; weights tell whether a model is the
same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmood.config import Models, RunConfig
from llmood.errors import StoreError
from llmood.finetune_config import FinetuneConfig
from llmood.scorers.artefacts import read_own_file

PLACES = "models.json"
LARGEST = 1 << 20  # bytes
AGAIN = "remove it, and say where the models are: --model ROLE=FOLDER"


def entries(models: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Role → what the JSON of `Models` says of it, to read or to change there."""
    return {
        f"{key}:{number}" if number else key: own
        for key, value in models.items()
        for number, own in enumerate(value if isinstance(value, list) else [value] if value else [])
    }


def folders(models: Models) -> dict[str, Path]:
    """Role → the folder of each model that is one, of a detector's, which have their whole paths."""
    named = {role: _name(own) for role, own in entries(models.model_dump(mode="json")).items()}
    return {role: Path(name) for role, name in named.items() if Path(name).is_absolute()}


def renamed(models: Models, names: Mapping[str, str]) -> Models:
    """Models under other names, by role."""
    given = models.model_dump(mode="json")
    for role, own in entries(given).items():
        own["adapter" if "adapter" in own else "model"] = names.get(role, _name(own))
    return Models.model_validate(given)


def without_places(config: RunConfig) -> RunConfig:
    """What a detector's digest covers of a configuration: the same wherever models and data are.

    Of the benchmark it keeps the name: what of the task is needed is in the detector's form. How its models would be
    tuned decides nothing.
    """
    benchmark, labels = config.benchmark, config.correctness
    if isinstance(labels, dict) and isinstance(labels.get("labels"), str):
        labels = {"labels": Path(str(labels["labels"])).name}
    return config.model_copy(
        update={
            "benchmark": benchmark if isinstance(benchmark, str) else benchmark.name,
            "models": renamed(config.models, short_names(folders(config.models))),
            "correctness": labels,
            "finetune": FinetuneConfig(),
        }
    )


def short_names(paths: Mapping[str, Path]) -> dict[str, str]:
    """Of each path as much of its end as tells it from the others.

    >>> short_names(
    ...     {"base": Path("/a/models/base"), "tuned": Path("/a/0/lora"), "tuned:1": Path("/a/1/lora")}
    ... )
    {'base': 'base', 'tuned': '0/lora', 'tuned:1': '1/lora'}
    """
    different = set(paths.values())

    def short(path: Path) -> str:
        tails = (path.parts[-count:] for count in range(1, len(path.parts)))
        alone = (tail for tail in tails if sum(other.parts[-len(tail) :] == tail for other in different) == 1)
        return "/".join(next(alone, path.parts))

    return {role: short(path) for role, path in paths.items()}


def places_of(config: RunConfig, folder: Path) -> dict[str, dict[str, str]]:
    """What `models.json` says: of each model that is a folder, where it is, whole and from the detector's folder.

    The second holds where a detector and its models were moved together.
    """
    start = folder.resolve()
    return {
        role: {"path": str(path), "from_here": os.path.relpath(path, start)}
        for role, path in folders(config.models).items()
    }


def with_places(config: RunConfig, folder: Path) -> RunConfig:
    """A configuration as a detector's digest covers it, with its models where `models.json` says that they are.

    Raises:
        StoreError: the file is damaged.
    """
    content = read_own_file(folder / PLACES, LARGEST, hint=AGAIN)
    if content is None:
        return config
    try:
        said = json.loads(content)
        known = entries(config.models.model_dump(mode="json")).keys()
        places = {role: (str(each["path"]), str(each["from_here"])) for role, each in said.items()}
        if not places.keys() <= known:
            raise ValueError
        names = {role: _there(*each, folder.resolve()) for role, each in places.items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise StoreError(f"{folder / PLACES}: is damaged or was changed", hint=AGAIN) from None
    return config.model_copy(update={"models": renamed(config.models, names)})


def _there(path: str, from_here: str, folder: Path) -> str:
    moved = Path(os.path.normpath(folder / from_here))
    return str(moved) if moved.is_dir() and not Path(path).is_dir() else path


def _name(own: Mapping[str, Any]) -> str:
    return str(own.get("adapter") or own["model"])
