"""Is the model behind a name still the one that it was? Its weights can't be seen, but what it says of a text can.

What each served name gave for a fixed probe is kept beside the store. A name that gives the same again, but for the
noise of a GPU, is the same model; one that doesn't is another, with a key of its own: nothing of the two is mixed.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from llmood.engines.beside import SERVERS
from llmood.identity import digest
from llmood.paths import cache_root
from llmood.tables import write_json

# The mean difference of a token's log-probability. Half precision and other company in a batch move one by some
# hundredths. Two models that differ by no more give nearly the same numbers anyway.
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model gave for the probe: the log-probabilities of its tokens, or a greedy answer's tokens and theirs."""

    kind: Literal["prompt", "response"]
    logprobs: tuple[float, ...]
    tokens: tuple[str, ...] = ()

    def difference(self, other: Seen) -> float | None:
        """The mean |Δ log p| of a token; None where the two can't be laid on each other.

        Two answers are compared up to where they part: there noise may have turned a near tie.
        """
        if self.kind != other.kind or (self.kind == "prompt" and len(self.logprobs) != len(other.logprobs)):
            return None
        shared = self._shared(other)
        if not shared:
            return None
        ours, theirs = (np.array(seen.logprobs[:shared], dtype=np.float64) for seen in (self, other))
        different = ours != theirs  # two infinite ones are alike
        return float(np.abs(ours[different] - theirs[different]).sum() / shared)

    def _shared(self, other: Seen) -> int:
        if self.kind == "prompt":
            return len(self.logprobs)
        pairs = zip(self.tokens, other.tokens, strict=False)
        return next(
            (place for place, (a, b) in enumerate(pairs) if a != b), min(len(self.tokens), len(other.tokens))
        )

    def same(self, other: Seen) -> bool:
        difference = self.difference(other)
        return difference is not None and difference <= TOLERANCE


@dataclass(frozen=True, slots=True)
class Known:
    """One model that was seen under a name.

    Attributes:
        id: digest of the name, of what it gave when it was first seen, and of its number.
        made: when that was.
        number: how many were seen under that name before it.
    """

    id: str
    seen: Seen
    made: str
    number: int


class Register:
    """What was seen under the names of one server, in a file beside the store.

    Args:
        name: all that the name of a model is: address, name, what the server says of it.
    """

    def __init__(self, name: Mapping[str, Any]) -> None:
        self._name = dict(name)
        self._path = cache_root() / SERVERS / f"{digest(self._name)}.json"

    @property
    def path(self) -> Path:
        return self._path

    def recognise(self, seen: Seen) -> Known:
        """The known model that gave the same; else it is a new one, which is known from now on."""
        with self._alone():
            return self._recognise(seen)

    def _recognise(self, seen: Seen) -> Known:
        entries = self._read()
        for number, entry in enumerate(entries):
            if not entry["spoiled"] and _seen_of(entry).same(seen):
                return Known(entry["id"], _seen_of(entry), entry["made"], number)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        numbers = [None if np.isinf(value) else value for value in seen.logprobs]
        content = {"kind": seen.kind, "logprobs": numbers, "tokens": list(seen.tokens)}
        known = Known(digest([self._name, len(entries), content]), seen, made, len(entries))
        self._write([*entries, {"id": known.id, "made": made, "spoiled": False, **content}])
        return known

    def spoil(self, known: Known) -> None:
        """Never take this one for the same again: what was stored under it may be of two models."""
        with self._alone():
            entries = self._read()
            spoiled = [entry | {"spoiled": True} if entry["id"] == known.id else entry for entry in entries]
            self._write(spoiled)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others out: shards that begin together must know a new model by one id."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as stream:
            with suppress(OSError):  # a file system of many machines may have no locks
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _read(self) -> list[dict[str, Any]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))["seen"]
            for entry in found:
                _ = _seen_of(entry), entry["id"], entry["made"], entry["spoiled"]
        except (OSError, ValueError, LookupError, TypeError):
            return []  # never seen, or damaged: what comes is then a new one
        return list(found)

    def _write(self, entries: list[dict[str, Any]]) -> None:
        write_json(self._path, {"name": self._name, "seen": entries})


def _seen_of(entry: Mapping[str, Any]) -> Seen:
    values = tuple(-np.inf if value is None else float(value) for value in entry["logprobs"])
    return Seen(entry["kind"], values, tuple(entry["tokens"]))
