"""Tasks of the lm-evaluation-harness: its YAML, read as its 0.4 reads it, and each document as a row.

The harness itself is needed for its tasks' names alone. Why its code isn't used: docs/decisions/0009.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from llmood.errors import ConfigError, MissingExtraError, UnknownNameError
from llmood.records import Split
from llmood.registry import suggest
from llmood.tasks.source_specs import Fields, LmEvalSource
from llmood.tasks.spec import TaskSpec
from llmood.yaml_files import read_yaml

PREFIX = "lm_eval:"

_SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"^(task|group):[ \t]*[\"']?([^\s\"'\[\]{}]+)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
# What makes a task something other than templates over the rows of a data set.
_UNREADABLE = {
    "class": "is written in Python",
    "custom_dataset": "makes its data with Python",
    "use_prompt": "takes its prompt from promptsource",
    "doc_to_image": "has images",
    "doc_to_audio": "has sound",
}
_SPLIT_KEYS: dict[Split, str] = {
    "train": "training_split",
    "validation": "validation_split",
    "test": "test_split",
}


@dataclass(frozen=True, slots=True)
class FunctionName:
    """`!function module.name`: Python beside the YAML, which nothing here runs unless asked to."""

    name: str
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / (self.name.rpartition(".")[0].replace(".", "/") + ".py")

    def load(self) -> Callable[..., Any]:
        """Run the module and return its function.

        Raises:
            ConfigError: there is no such file, or no such function in it.
        """
        spec = spec_from_file_location(f"llmood_harness_{self.file.stem}", self.file)
        if spec is None or spec.loader is None or not self.file.is_file():
            raise ConfigError(f"!function {self.name}: no file {self.file}")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        function = getattr(module, self.name.rpartition(".")[2], None)
        if not callable(function):
            raise ConfigError(f"!function {self.name}: no such function in {self.file}")
        return function  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class HarnessTask:
    """One task of the harness: its keys with everything included, and the files that they came from."""

    path: Path
    keys: Mapping[str, Any]
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What the harness calls it."""
        return str(self.keys.get("task", self.path.stem))

    @property
    def splits(self) -> dict[Split, str]:
        """The data set's own name of each split; `test` is what the harness evaluates on, maybe `validation`."""
        named = {split: self.keys[key] for split, key in _SPLIT_KEYS.items() if self.keys.get(key)}
        if "test" not in named and "validation" in named:
            named["test"] = named.pop("validation")
        if not named:
            raise ConfigError(f"{self.path}: names no split", hint="training_split, test_split")
        return {split: str(name) for split, name in named.items()}

    def value(self, key: str, *, trust_remote_code: bool) -> Any:
        """The key's value, a function loaded if that is allowed.

        Raises:
            ConfigError: it is a function, and nobody said that its code may be run.
        """
        value = self.keys.get(key)
        if not isinstance(value, FunctionName):
            return value
        if not trust_remote_code:
            raise ConfigError(
                f"{self.path}: {key}: !function {value.name} runs Python from {value.file.name}",
                hint="read it; then name this file in a task's YAML, with 'trust_remote_code: true' in its source",
            )
        return value.load()


def find_harness_task(name: str, folders: tuple[Path, ...]) -> HarnessTask:
    """The harness' task of that name, or of the YAML at that path.

    Args:
        folders: where a relative path may start.

    Raises:
        ConfigError: it is no task that can be read here: a group, say, or one that is written in Python.
        UnknownNameError: there is none of that name.
        MissingExtraError: a name is asked for, and the harness isn't installed.
    """
    path = _find_file(name, folders) if name.endswith(_SUFFIXES) else _find_name(name)
    files: list[Path] = []
    keys = _read(path, files, ())
    if "task" not in keys or not isinstance(keys["task"], str):
        raise ConfigError(f"{path}: is no task of the lm-evaluation-harness (a group, or a part of one)")
    for key, what in _UNREADABLE.items():
        if keys.get(key):
            raise ConfigError(f"{path}: {key}: a task that {what} can't be read here")
    return HarnessTask(path, keys, tuple(files))


def harness_task_spec(name: str, folders: tuple[Path, ...]) -> TaskSpec:
    """What `lm_eval:<name or path>` means in a benchmark: the harness' own prompt, target and choices."""
    found = find_harness_task(name, folders)
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", found.name)
    spec = TaskSpec(
        name=f"lm_eval.{safe}",
        description=f"The task {found.name} of the lm-evaluation-harness.",
        sources=(LmEvalSource(lm_eval=name if not name.endswith(_SUFFIXES) else str(found.path)),),
        fields=Fields(references="doc_to_target", choices="doc_to_choice"),
        prompt="{{ doc_to_text }}",
    )
    spec._file = found.path  # noqa: SLF001 - as TaskSpec.from_file does
    return spec


def _find_file(name: str, folders: tuple[Path, ...]) -> Path:
    given = Path(name).expanduser()
    tried = [given] if given.is_absolute() else [folder / given for folder in folders]
    path = next((path for path in tried if path.is_file()), None)
    if path is None:
        raise UnknownNameError(f"{PREFIX}{name}: no file {' or '.join(map(str, tried))}")
    return path


def _find_name(name: str) -> Path:
    root = _installed_tasks()
    kinds: dict[str, str] = {}
    for path in sorted(root.rglob("*.yaml")):
        for kind, found in _NAME.findall(path.read_text(encoding="utf-8", errors="replace")):
            kinds[found] = kind
            if (kind, found) == ("task", name):
                return path
    if kinds.get(name) == "group":
        raise ConfigError(f"{PREFIX}{name} is a group of tasks", hint="name one task of it")
    known = [found for found, kind in kinds.items() if kind == "task"]
    raise UnknownNameError(
        f"{PREFIX}{name}: the lm-evaluation-harness has no such task", hint=suggest(name, known)
    )


def _installed_tasks() -> Path:
    # Found without importing it: the package loads half an environment when it starts.
    spec = find_spec("lm_eval")
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise MissingExtraError("lm_eval", "lm-eval")
    return Path(places[0]) / "tasks"


def _read(path: Path, files: list[Path], above: tuple[Path, ...]) -> dict[str, Any]:
    """The file's keys over those of the files that it includes, as the harness merges them."""
    if path.resolve() in above:
        raise ConfigError(f"{path}: includes itself")
    files.append(path)
    keys = read_yaml(path, tags={"!function": partial(FunctionName, folder=path.parent)})
    if not isinstance(keys, dict):
        raise ConfigError(f"{path}: is no mapping")
    included = keys.pop("include", None) or []
    merged: dict[str, Any] = {}
    for other in [included] if isinstance(included, str) else included:
        inner = _read(path.parent / str(other), files, (*above, path.resolve()))
        inner.pop("task_list", None)  # what a file lists is for that file alone
        merged |= inner
    return merged | keys
