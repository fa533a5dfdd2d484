"""What a model said of pairs of texts: each pair is asked once, in this run and in those to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from llmood.engines.store import Store
from llmood.errors import EngineError
from llmood.records import OK

Texts = TypeVar("Texts", bound=tuple[str, ...])
"""What a model reads at once: premise and hypothesis, or a question and two answers."""

KIND = "nli"
SHARD_ROWS = 4096


class NoVerdictError(EngineError):
    """The model failed on a pair. Nothing of that is stored: the next run asks again."""


class Verdicts(Generic[Texts]):
    """Verdicts by content, from memory, from the store, and last from the model.

    Args:
        ask: the model, for probabilities (n, 3) in the order of `measures.nli.Verdict` of what nobody knows yet.
        identity: all that decides its verdicts.
        contradicts: whether it tells a contradiction from what merely doesn't follow.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Texts]], NDArray[np.float32]],
        identity: Mapping[str, Any],
        store: Store,
        *,
        contradicts: bool = True,
    ) -> None:
        self.identity = dict(identity)
        self.contradicts = contradicts
        self.asked = 0
        self._ask = ask
        described = {"engine": self.identity, "target": "pair", "params": {}}
        self._context = store.context(KIND, described)
        self._known: dict[str, NDArray[np.float32]] | None = None
        self._pending: list[dict[str, Any]] = []

    def of(self, pairs: Sequence[Texts]) -> NDArray[np.float32]:
        """Probabilities (n, 3), in the order of the pairs.

        Raises:
            NoVerdictError: the model failed on one of them, now or before in this run.
        """
        known = self._all_known()
        keys = [self._context.key(_content(pair)) for pair in pairs]
        new = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
        if new:
            self.asked += len(new)
            for key, verdict in zip(new, self._ask(list(new.values())), strict=True):
                known[key] = verdict
                if np.isnan(verdict).any():
                    continue
                self._pending.append(
                    {"key": key, "status": OK, "reason": None, "probabilities": verdict.tolist()}
                )
            if len(self._pending) >= SHARD_ROWS:
                self.flush()
        found = np.array([known[key] for key in keys], dtype=np.float32).reshape(-1, 3)
        if np.isnan(found).any():
            raise NoVerdictError("a model gave no verdict on a pair of answers")
        return found

    def flush(self) -> None:
        """Store what was said since the last time."""
        if self._pending:
            pending, self._pending = self._pending, []
            self._context.append(pending)

    def _all_known(self) -> dict[str, NDArray[np.float32]]:
        if self._known is None:
            self._known = {
                key: np.array(verdict, dtype=np.float32)
                for _, table in self._context.tables(["key", "probabilities"])
                for key, verdict in zip(
                    table["key"].to_pylist(), table["probabilities"].to_pylist(), strict=True
                )
            }
        return self._known


def _content(texts: tuple[str, ...]) -> str:
    """All of them as one text, in which each but the last says how long it is."""
    return "".join(f"{len(text)}:{text}" for text in texts[:-1]) + texts[-1]
