"""Hidden states that an export holds beside its rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.engines.state_files import SUFFIX, read_states
from llmood.errors import DataError, StoreError


class ExportedStates:
    """The states of an export's rows; those of one file are in memory at a time.

    Args:
        folder: of the export.
        hint: what to do about a file that is damaged.
    """

    def __init__(self, folder: Path, hint: str) -> None:
        self._folder = folder
        self._hint = hint
        self._of: tuple[str, list[int], list[str]] | None = None
        self._values: NDArray[Any] = np.empty(0)

    def of(self, row: Mapping[str, Any]) -> NDArray[Any]:
        """A row's states (layers, positions, size).

        Raises:
            DataError: the file that the row names isn't there whole.
        """
        asked = (str(row["shard"]), row["layer"], row["position"])
        if self._of is not None and asked[1:] != self._of[1:]:  # a capture's rows are all of the same states
            raise self._damaged(asked[0])
        if asked != self._of:
            self._values = self._read(*asked)
            self._of = asked
        try:
            values: NDArray[Any] = self._values[row["row"]]
        except (IndexError, TypeError):
            raise self._damaged(asked[0]) from None
        return values

    def _read(self, seal: str, layers: list[int], positions: list[str]) -> NDArray[Any]:
        if Path(seal).name != seal:  # from a file that anybody may have written
            raise self._damaged(seal)
        path = self._folder / f"{seal}{SUFFIX}"
        try:
            states = [[read_states(path, seal, layer, each) for each in positions] for layer in layers]
        except (KeyError, StoreError, TypeError):
            raise self._damaged(seal) from None
        return np.moveaxis(np.array(states), 2, 0)

    def _damaged(self, seal: str) -> DataError:
        name = f"{seal}{SUFFIX}"
        return DataError(f"{self._folder}: the states in '{name}' are missing or damaged", hint=self._hint)
