"""Where a task's rows are: the first of its sources that is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from llmood.errors import DataError
from llmood.identity import FileDigests, digest
from llmood.paths import data_root
from llmood.records import Check, Reject, Split
from llmood.strict import parse
from llmood.tasks.generators.base import GENERATORS
from llmood.tasks.hub import load_split
from llmood.tasks.images.archive import check_archive
from llmood.tasks.lm_eval import find_harness_task
from llmood.tasks.lm_eval_rows import HarnessData
from llmood.tasks.read import read_rows
from llmood.tasks.source_specs import AnySource, FileSource, GeneratedSource, HubSource, LmEvalSource
from llmood.tasks.spec import TaskSpec

NumberedRows = Iterator[tuple[int, dict[str, Any]] | Reject]


@dataclass(frozen=True, slots=True)
class OpenSplit:
    """One split that was found: what to call it in source lines, its rows, and where their pictures are.

    Attributes:
        folder: where relative paths start.
        archive: the zip archive whose members the rows name instead.
    """

    name: str
    rows: Callable[[], NumberedRows]
    folder: Path | None = None
    archive: Path | None = None


@dataclass(frozen=True, slots=True)
class OpenSource:
    """The source that was found, with what `run.json` records of it."""

    source: AnySource
    splits: dict[Split, OpenSplit]
    record: dict[str, Any]
    checks: list[Check] = field(default_factory=list)


def open_source(spec: TaskSpec, needed: Callable[[Collection[Split]], Collection[Split]]) -> OpenSource:
    """The first source of the task that is there.

    Args:
        needed: from the splits that a source has, those to read.

    Raises:
        DataError: no source is there, or one is there in part; with all that was tried.
    """
    failures: list[_NotThereError] = []
    for source in spec.sources:
        try:
            if isinstance(source, LmEvalSource):
                return _open_lm_eval(spec, source, needed)
            splits = needed(source.split_names)
            if isinstance(source, HubSource):
                return _open_hub(spec, source, splits)
            if isinstance(source, GeneratedSource):
                return _open_generated(spec, source, splits)
            return _open_files(spec, source, splits)
        except _NotThereError as error:
            failures.append(error)
    reasons = "; ".join(failure.message for failure in failures)
    raise DataError(f"{spec.file}: no data found: {reasons}", hint=failures[0].hint)


class _NotThereError(DataError):
    """Nothing of a source can be had: the next one may be tried."""


def _open_files(spec: TaskSpec, source: FileSource, splits: Collection[Split]) -> OpenSource:
    names = {split: source.paths[split] for split in splits}
    candidates = {split: _candidates(spec, name) for split, name in names.items()}
    found = {
        split: next((path for path in paths if path.is_file()), None) for split, paths in candidates.items()
    }
    missing = [str(path) for split, paths in candidates.items() if found[split] is None for path in paths]
    paths = {split: path for split, path in found.items() if path is not None}
    if not paths:
        raise _NotThereError(f"no file {', '.join(missing)}", hint=_where_data_is())
    if missing:
        # Half of one source and half of another would be no data set that anybody has described.
        raise DataError(f"{spec.file}: only part of the data is there: no file {', '.join(missing)}")
    archives = {split: _archive(spec, name) for split, name in source.archives.items() if split in paths}
    record = {"kind": "files", "files": _digests(names, paths)}
    return OpenSource(
        source,
        {
            split: OpenSplit(names[split], _file_rows(path, names[split]), path.parent, archives.get(split))
            for split, path in paths.items()
        },
        record | ({"images": _digests(source.archives, archives)} if archives else {}),
    )


def _archive(spec: TaskSpec, name: str) -> Path:
    candidates = _candidates(spec, name)
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        shown = ", ".join(map(str, candidates))
        raise DataError(
            f"{spec.file}: only part of the data is there: no file {shown}, the archive of its pictures",
            hint=_where_data_is(),
        )
    check_archive(found, name)
    return found.absolute()


def _where_data_is() -> str:
    root = data_root()
    return f"LLMOOD_DATA is {root}" if root else "set LLMOOD_DATA to the folder that holds the data sets"


def _digests(names: Mapping[Split, str], paths: Mapping[Split, Path]) -> dict[Split, dict[str, str]]:
    digests = FileDigests()
    try:
        return {split: {"name": names[split], "digest": digests.of(path)} for split, path in paths.items()}
    except OSError as error:
        raise DataError(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None


def _candidates(spec: TaskSpec, name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_absolute():
        return [path]
    return [root / path for root in (spec.file.parent, data_root()) if root is not None]


def _file_rows(path: Path, name: str) -> Callable[[], NumberedRows]:
    return lambda: read_rows(path, name)


def _open_hub(spec: TaskSpec, source: HubSource, splits: Collection[Split]) -> OpenSource:
    folder = spec.file.parent
    try:
        loaded = {split: load_split(source, source.splits[split], folder) for split in splits}
    except DataError as error:
        raise _NotThereError(error.message, hint=error.hint) from None
    record = {
        "kind": "hub",
        "hub": source.hub,
        "config": source.config,
        "revision": source.revision,
        "commit": next((split.commit for split in loaded.values() if split.commit), None),
        "fingerprints": {name: split.fingerprint for name, split in loaded.items()},
    }
    local = folder / source.hub
    beside = local if local.is_dir() else None
    opened = {split: OpenSplit(found.name, found.rows, beside) for split, found in loaded.items()}
    unpinned = source.revision is None and beside is None
    return OpenSource(source, opened, record, [_unpinned(spec, source.hub)] if unpinned else [])


def _open_lm_eval(
    spec: TaskSpec, source: LmEvalSource, needed: Callable[[Collection[Split]], Collection[Split]]
) -> OpenSource:
    task = find_harness_task(source.lm_eval, (spec.file.parent, Path.cwd()))
    data = HarnessData(task, trust_remote_code=source.trust_remote_code)
    names = source.splits or task.splits
    try:
        loaded = {split: data.load(names[split]) for split in needed(names)}
    except DataError as error:
        raise _NotThereError(error.message, hint=error.hint) from None
    digests = FileDigests()
    record = {
        "kind": "lm_eval",
        "task": task.name,
        "yaml": {path.name: digests.of(path) for path in task.files},
        "dataset": data.path,
        "files": {name: digests.of(path) for name, path in data.files.items()},
        "revision": data.revision,
        "commit": next((split.commit for split in loaded.values() if split.commit), None),
        "fingerprints": {name: split.fingerprint for name, split in loaded.items()},
    }
    shown = {split: f"{task.name}/{names[split]}" for split in loaded}
    opened = {
        split: OpenSplit(shown[split], data.rows_of(found, shown[split])) for split, found in loaded.items()
    }
    unpinned = not data.local and data.revision is None
    checks = [_unpinned(spec, data.path)] if unpinned else []
    return OpenSource(source, opened, record, [*data.checks(spec.name), *checks])


def _open_generated(spec: TaskSpec, source: GeneratedSource, splits: Collection[Split]) -> OpenSource:
    place = f"{spec.file}: sources.{spec.sources.index(source)}"
    kind = GENERATORS.get(source.generate, place=f"{place}.generate")
    generator = parse(kind, source.arguments, place=f"{place}.arguments")
    # All of the splits, whichever are read: that none shares a row with another is the generator's doing.
    made = generator.rows(source.splits, source.seed)
    record = {
        "kind": "generated",
        "generator": source.generate,
        "version": generator.version,
        "arguments": generator.model_dump(),
        "seed": source.seed,
        "digests": {split: digest(made[split]) for split in splits},
    }
    opened = {
        split: OpenSplit(f"{source.generate}/{split}", partial(enumerate, made[split], 1)) for split in splits
    }
    return OpenSource(source, opened, record)


def _unpinned(spec: TaskSpec, data: str) -> Check:
    return Check(
        code="unpinned",
        severity="warning",
        title="Data of no fixed revision",
        detail=f"{spec.name} was read from the newest revision of {data}: another day may give other rows.",
        task=spec.name,
    )
