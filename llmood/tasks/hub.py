"""Rows from the Hugging Face hub, or from a local folder of the same form, through `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmood.errors import DataError
from llmood.tasks.source_specs import HubSource

if TYPE_CHECKING:
    from datasets import Dataset

_COMMIT = re.compile(r"@([0-9a-f]{40})/")


@dataclass(frozen=True, slots=True)
class HubSplit:
    """One loaded split: its rows, and what is known of where they came from."""

    name: str
    data: Dataset
    fingerprint: str
    commit: str | None

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Rows numbered from 1, class labels as their names.

        Raises:
            DataError: a row can't be decoded.
        """
        from datasets import ClassLabel
        from pyarrow import ArrowException

        # −1 is how a hub data set spells "no label".
        names: dict[str, dict[int | None, str | None]] = {
            column: {**dict(enumerate(kind.names)), -1: None}
            for column, kind in self.data.features.items()
            if isinstance(kind, ClassLabel)
        }
        number = 0
        try:
            for number, row in enumerate(self.data, start=1):
                decoded = {column: labels.get(row[column], row[column]) for column, labels in names.items()}
                yield number, {**row, **decoded}
        except (UnicodeDecodeError, ArrowException) as error:
            raise DataError(f"{self.name}: can't be read after row {number}: {_one_line(error)}") from None


def load_split(source: HubSource, name: str, folder: Path, **options: Any) -> HubSplit:
    """Load one split by the name that the hub gives it. `HF_HUB_OFFLINE` is respected; no code of the hub's runs.

    Args:
        folder: where a relative local folder starts, if `hub` names one.
        options: further arguments of `datasets.load_dataset`.

    Raises:
        DataError: it can't be had, and why, in one line.
    """
    from datasets import Image, load_dataset

    local = folder / source.hub
    path = str(local) if local.is_dir() else source.hub
    try:
        data = load_dataset(path, source.config, split=name, revision=source.revision, **options)
        checksums = data.info.download_checksums or {}
    except Exception as error:  # noqa: BLE001 - connection, cache, Parquet and builder errors have no common tree
        raise DataError(
            f"{describe(source)}: split '{name}': {_one_line(error)}", hint=_hint(error)
        ) from None
    commits = [found[1] for found in map(_COMMIT.search, checksums) if found]
    fingerprint = data._fingerprint  # noqa: SLF001 - the one name that `datasets` gives to what it loaded
    # Pictures as their files' bytes: llmood decodes them itself, within limits.
    for column, kind in data.features.items():
        if isinstance(kind, Image):
            data = data.cast_column(column, Image(decode=False))
    return HubSplit(f"{describe(source)}/{name}", data, fingerprint, commits[0] if commits else None)


def describe(source: HubSource) -> str:
    """The data set's name in messages: `owner/name/config`."""
    return source.hub + (f"/{source.config}" if source.config else "")


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def _hint(error: Exception) -> str:
    if isinstance(error, OSError):
        return "it needs a network, or an earlier download; or give the files locally with LLMOOD_DATA"
    return "look at the names of its configs and splits on the hub"
