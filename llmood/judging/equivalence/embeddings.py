"""What a sentence encoder makes of texts: each text is read once, in this run and in those to come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.engines.store import Store
from llmood.records import OK

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Vectors (n, size) of length 1."""

KIND = "embedding"
SHARD_ROWS = 4096


class Embeddings:
    """Vectors by content, from memory, from the store, and last from the model.

    Args:
        embed: the model; it is called for what nobody knows yet.
        identity: all that decides its vectors.
    """

    def __init__(self, embed: Embed, identity: Mapping[str, Any], store: Store) -> None:
        self.identity = dict(identity)
        self.asked = 0
        self._embed = embed
        described = {"engine": self.identity, "target": "text", "params": {}}
        self._context = store.context(KIND, described)
        self._known: dict[str, NDArray[np.float32]] | None = None
        self._pending: list[dict[str, Any]] = []

    def of(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """The vector of each text."""
        known = self._all_known()
        keys = {text: self._context.key(text) for text in texts}
        new = {key: text for text, key in keys.items() if key not in known}
        if new:
            self.asked += len(new)
            for key, vector in zip(new, self._embed(list(new.values())), strict=True):
                known[key] = vector
                self._pending.append({"key": key, "status": OK, "reason": None, "vector": vector})
            if len(self._pending) >= SHARD_ROWS:
                self.flush()
        return {text: known[key] for text, key in keys.items()}

    def flush(self) -> None:
        """Store what was read since the last time."""
        if self._pending:
            pending, self._pending = self._pending, []
            self._context.append(pending)

    def _all_known(self) -> dict[str, NDArray[np.float32]]:
        if self._known is None:
            self._known = {}
            for _, table in self._context.tables(["key", "vector"]):
                vectors = table["vector"].combine_chunks().flatten().to_numpy()
                keys = table["key"].to_pylist()
                self._known |= dict(zip(keys, vectors.reshape(len(keys), -1), strict=True))
        return self._known
