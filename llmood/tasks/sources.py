"""Where a task's rows are: the first of its sources that is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmood.errors import DataError
from llmood.identity import FileDigests
from llmood.paths import data_root
from llmood.records import Check, Reject, Split
from llmood.tasks.hub import load_split
from llmood.tasks.read import read_rows
from llmood.tasks.spec import FileSource, HubSource, TaskSpec

NumberedRows = Iterator[tuple[int, dict[str, Any]] | Reject]


@dataclass(frozen=True, slots=True)
class OpenSplit:
    """One split that was found: what to call it in source lines, and its rows."""

    name: str
    rows: Callable[[], NumberedRows]


@dataclass(frozen=True, slots=True)
class OpenSource:
    """The source that was found, with what `run.json` records of it."""

    source: FileSource | HubSource
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
        splits = needed(source.split_names)
        try:
            if isinstance(source, HubSource):
                return _open_hub(spec, source, splits)
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
        root = data_root()
        hint = f"LLMOOD_DATA is {root}" if root else "set LLMOOD_DATA to the folder that holds the data sets"
        raise _NotThereError(f"no file {', '.join(missing)}", hint=hint)
    if missing:
        # Half of one source and half of another would be no data set that anybody has described.
        raise DataError(f"{spec.file}: only part of the data is there: no file {', '.join(missing)}")
    digests = FileDigests()
    try:
        record = {split: {"name": names[split], "digest": digests.of(path)} for split, path in paths.items()}
    except OSError as error:
        raise DataError(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None
    return OpenSource(
        source,
        {split: OpenSplit(names[split], _file_rows(path, names[split])) for split, path in paths.items()},
        {"kind": "files", "files": record},
    )


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
    opened = {split: OpenSplit(found.name, found.rows) for split, found in loaded.items()}
    unpinned = source.revision is None and not (folder / source.hub).is_dir()
    return OpenSource(source, opened, record, [_unpinned(spec, source)] if unpinned else [])


def _unpinned(spec: TaskSpec, source: HubSource) -> Check:
    return Check(
        code="unpinned",
        severity="warning",
        title="Data of no fixed revision",
        detail=f"{spec.name} was read from the newest revision of {source.hub}: another day may give other rows.",
        task=spec.name,
    )
