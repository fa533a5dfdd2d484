"""Tasks and benchmarks by name: the built-in ones, those of `--include-path` folders, or any YAML by its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from llmood.config import BenchmarkSpec
from llmood.errors import ConfigError, UnknownNameError
from llmood.paths import builtin_root
from llmood.registry import suggest
from llmood.strict import parse
from llmood.tasks.lm_eval import PREFIX, harness_task_spec
from llmood.tasks.spec import TaskSpec
from llmood.yaml_files import read_yaml

Kind = Literal["task", "benchmark"]

_SUFFIXES = (".yaml", ".yml")


def list_tasks(*, include_paths: Sequence[Path] = ()) -> list[TaskSpec]:
    """Every task that has a name here, in name order. Reads no data."""
    return [TaskSpec.from_file(path) for _, path in sorted(_index("task", include_paths).items())]


def list_benchmarks(*, include_paths: Sequence[Path] = ()) -> list[BenchmarkSpec]:
    """Every benchmark that has a name here, in name order."""
    return [_read_benchmark(path) for _, path in sorted(_index("benchmark", include_paths).items())]


def find_task(
    name: str,
    *,
    include_paths: Sequence[Path] = (),
    relative_to: Path | None = None,
    place: str | None = None,
) -> TaskSpec:
    """The task of that name, or of the YAML at that path; `lm_eval:` before either means the harness' own.

    Args:
        include_paths: folders to look through beside the built-in one.
        relative_to: where a relative path starts (the configuration's folder), before the working directory.
        place: where the user wrote the name ("benchmark.id"), for the message.

    Raises:
        UnknownNameError: there is none; with the nearest right name.
        ConfigError: its YAML is wrong, or two files bear the same name.
    """
    if name.startswith(PREFIX):
        folders = [folder for folder in (relative_to, Path.cwd()) if folder is not None]
        return harness_task_spec(name.removeprefix(PREFIX), tuple(folders))
    return TaskSpec.from_file(_find("task", name, include_paths, relative_to, place))


def find_benchmark(
    name: str,
    *,
    include_paths: Sequence[Path] = (),
    relative_to: Path | None = None,
    place: str | None = None,
) -> BenchmarkSpec:
    """The benchmark of that name, or of the YAML at that path; arguments and errors as for `find_task`.

    Tasks that its YAML names by a path are given relative to that YAML.
    """
    return _read_benchmark(_find("benchmark", name, include_paths, relative_to, place))


def _read_benchmark(path: Path) -> BenchmarkSpec:
    spec = parse(BenchmarkSpec, _read(path), place=str(path))

    def rebased(task: str) -> str:
        prefix = PREFIX if task.startswith(PREFIX) else ""
        return (
            prefix + str((path.parent / task.removeprefix(prefix)).resolve())
            if task.endswith(_SUFFIXES)
            else task
        )

    ood = tuple(
        shifted.model_copy(update={"task": rebased(shifted.task)}) if shifted.task else shifted
        for shifted in spec.ood
    )
    return spec.model_copy(update={"id": rebased(spec.id), "ood": ood})


def _find(
    kind: Kind, name: str, include_paths: Sequence[Path], relative_to: Path | None, place: str | None
) -> Path:
    at = f"{place}: " if place else ""
    if name.endswith(_SUFFIXES):
        return _find_file(kind, name, relative_to, at)
    known = _index(kind, include_paths)
    if name not in known:
        raise UnknownNameError(f"{at}no {kind} {name!r}", hint=suggest(name, known))
    return known[name]


def _find_file(kind: Kind, name: str, relative_to: Path | None, at: str) -> Path:
    given = Path(name).expanduser()
    tried = (
        [given]
        if given.is_absolute()
        else [root / given for root in (relative_to, Path.cwd()) if root is not None]
    )
    path = next((path for path in tried if path.is_file()), None)
    if path is None:
        beside = [
            str(given.with_name(path.name)) for path in tried[0].parent.glob("*") if path.suffix in _SUFFIXES
        ]
        hint = suggest(name, beside) if beside else None
        raise UnknownNameError(f"{at}no {kind} file {' or '.join(map(str, dict.fromkeys(tried)))}", hint=hint)
    found = _kind(path, _read(path))
    if found is not None and found != kind:
        raise ConfigError(f"{at}{path} is a {found}, not a {kind}")
    return path


def _index(kind: Kind, include_paths: Sequence[Path]) -> dict[str, Path]:
    """The file of each name.

    Raises:
        ConfigError: two files bear one name: a user's may not silently take the place of another.
    """
    index: dict[str, Path] = {}
    for path in _yaml_files([builtin_root() / "tasks", *include_paths]):
        data = _read(path)
        if _kind(path, data) != kind:
            continue
        name = str(data.get("name", path.stem))
        if name in index:
            raise ConfigError(
                f"two {kind}s are called '{name}': {index[name]} and {path}", hint="rename one of them"
            )
        index[name] = path
    return index


def _yaml_files(folders: Sequence[Path]) -> list[Path]:
    missing = next((folder for folder in folders[1:] if not folder.is_dir()), None)
    if missing is not None:
        raise ConfigError(f"--include-path {missing}: no such folder")
    found = (
        path.resolve() for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in _SUFFIXES
    )
    return list(dict.fromkeys(found))


def _kind(path: Path, data: Any) -> Kind | None:
    """What a YAML file is, by its keys; None for anything else (an include path may hold configurations too)."""
    if not isinstance(data, Mapping):
        return None
    if not {"sources", "prompt", "messages"}.isdisjoint(data):
        return "task"
    shifted = not {"ood", "grid"}.isdisjoint(data)
    return "benchmark" if "id" in data and (shifted or path.parent.name == "benchmarks") else None


def _read(path: Path) -> Any:
    stat = path.stat()
    return _read_once(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _read_once(path: Path, _mtime_ns: int, _size: int) -> Any:
    # A benchmark looks for each of its tasks, and each look goes through every file; time and size are key only.
    return read_yaml(path)
