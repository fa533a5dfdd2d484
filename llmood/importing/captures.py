"""What a file says that a model gave, as captures in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from llmood.engines.observe import SHARD_BYTES, SHARD_ROWS
from llmood.engines.state_files import weight_of
from llmood.engines.store import Context, Store
from llmood.identity import digest_bytes
from llmood.importing.rows import Record
from llmood.importing.scored import Answer, Scored
from llmood.records import EMPTY_ANSWER, OK, UNSCORED, CaptureSpec
from llmood.tables import INDEX

ENGINE = "imported"
VERSION = "1"
NO_IDS = "the file gives no token ids"
OF_TOKENS = ("logprobs", "entropy")  # what an answer may have of each token
NOT_GIVEN = "not given in what was imported"

RESPONSE = CaptureSpec.of("response", "tuned")
GENERATIONS = CaptureSpec.of("generations", "tuned")


def identity_of(content: str, role: str) -> dict[str, Any]:
    """What stands where an engine's identity does: what was imported, and as which model's.

    Args:
        content: the digest of the files, and of how they were read.
    """
    return {"engine": ENGINE, "version": VERSION, "weights": content, "model": role}


@dataclass(slots=True)
class _Capture:
    """One capture on its way into the store: rows that wait for their shard, and the index so far."""

    context: Context
    pending: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[tuple[int, int | None]] = field(default_factory=list)
    index: list[tuple[int, int | None, dict[str, Any]]] = field(default_factory=list)
    positions: set[int] = field(default_factory=set)

    def flush(self) -> None:
        if not self.pending:
            return
        rows, self.pending = self.pending, []
        waiting, self.waiting = self.waiting, []
        located = self.context.append(rows)
        for (position, draw), row in zip(waiting, rows, strict=True):
            place = located[row["key"]]
            known = {name: row[name] for name in ("key", "status", "reason")}
            self.index.append((position, draw, {**known, "shard": place.shard, "row": place.row}))


class Captures:
    """Writes captures into the store a shard at a time, and remembers where each sample's are.

    Args:
        content: the digest of what is imported.
        private: keep no text and no token ids.
    """

    def __init__(self, store: Store, content: str, *, private: bool) -> None:
        self._store = store
        self._content = content
        self._private = private
        self._captures: dict[CaptureSpec, _Capture] = {}
        self._empty: set[int] = set()  # positions whose answer says nothing
        self._lacking_tokens: dict[tuple[CaptureSpec, str], set[int]] = {}
        self.answers: dict[int, str] = {}  # by position; only where the store keeps none

    @property
    def specs(self) -> list[CaptureSpec]:
        return sorted(self._captures)

    @property
    def absent(self) -> set[tuple[str, str]]:
        """(kind, column) of numbers a token that not one sample has of all its answers."""
        return {
            (spec.kind, column)
            for (spec, column), positions in self._lacking_tokens.items()
            if positions >= self._captures[spec].positions
        }

    def begin(self, spec: CaptureSpec) -> _Capture:
        """A capture that the run will have, whether or not a sample has it."""
        if spec not in self._captures:
            identity = {
                "engine": identity_of(self._content, spec.model),
                "target": spec.target,
                "params": dict(spec.params),
                "private": self._private,
            }
            self._captures[spec] = _Capture(self._store.context(spec.kind, identity))
        return self._captures[spec]

    def add_record(self, position: int, record: Record) -> None:
        """All that a row gives for the sample at a position."""
        empty = record.response is not None and not record.response.text.strip()
        if empty:
            self._empty.add(position)
        for (role, target), scored in record.scored.items():
            spec = CaptureSpec.of("prompt_logprobs", role, target)
            if empty and spec.needs_response:
                self.add_unmade(spec, position, UNSCORED, EMPTY_ANSWER)
            else:
                self.add(spec, position, _scored_row(scored))
        if record.response is not None:
            if self._private:
                self.answers[position] = record.response.text
            self.add(RESPONSE, position, _answer_row(record.response))
        for draw, answer in enumerate(record.draws):
            self.add(GENERATIONS, position, _answer_row(answer), draw)

    def add(self, spec: CaptureSpec, position: int, row: Mapping[str, Any], draw: int | None = None) -> None:
        """One observation, with the columns of its kind but for the key."""
        capture = self.begin(spec)
        # Not as JSON: an engine's log-probability may be −∞.
        plain = {name: value.tobytes() if name == "states" else value for name, value in row.items()}
        key = capture.context.key(digest_bytes(repr(sorted(plain.items())).encode()))
        hidden = {name: None for name in ("token_ids", "text") if name in row} if self._private else {}
        capture.pending.append({**row, **hidden, "key": key})
        capture.waiting.append((position, draw))
        capture.positions.add(position)
        for column in OF_TOKENS if "finish" in row else ():
            if row.get(column) is None:
                self._lacking_tokens.setdefault((spec, column), set()).add(position)
        if len(capture.pending) >= SHARD_ROWS or weight_of(capture.pending) >= SHARD_BYTES:
            capture.flush()

    def add_unmade(self, spec: CaptureSpec, position: int, status: str, reason: str | None) -> None:
        """A sample that has no observation of a capture, and why."""
        capture = self.begin(spec)
        place = {"key": None, "shard": None, "row": None, "status": status, "reason": reason}
        capture.index.append((position, None, place))
        capture.positions.add(position)

    def index(self, sample_ids: Mapping[int, str], *, complete: bool = True) -> pa.Table:
        """Write what waits, and say where everything is.

        Args:
            sample_ids: of each position, in the samples' order.
            complete: name also the samples that lack a capture which others have.
        """
        parts = []
        for spec in self.specs:
            capture = self._captures[spec]
            capture.flush()
            rows = [
                {"sample_id": sample_ids[position], "capture": spec.id, "draw": draw, **place}
                for position, draw, place in capture.index
            ]
            rows += list(self._lacking(spec, capture, sample_ids)) if complete else []
            parts.append(pa.Table.from_pylist(rows, schema=INDEX))
        return pa.concat_tables(parts) if parts else INDEX.empty_table()

    def _lacking(
        self, spec: CaptureSpec, capture: _Capture, sample_ids: Mapping[int, str]
    ) -> Iterator[dict[str, Any]]:
        for position, sample_id in sample_ids.items():
            if position not in capture.positions:
                empty = spec.needs_response and position in self._empty
                reason = EMPTY_ANSWER if empty else NOT_GIVEN
                yield {"sample_id": sample_id, "capture": spec.id, "status": UNSCORED, "reason": reason}


def _scored_row(scored: Scored) -> dict[str, Any]:
    return {
        "status": OK,
        "reason": None if scored.ids is not None else NO_IDS,
        "token_ids": None if scored.ids is None else list(scored.ids),
        "logprobs": list(scored.logprobs),
        "spans": [{"name": name, "start": start, "end": end} for name, start, end in scored.spans],
    }


def _answer_row(answer: Answer) -> dict[str, Any]:
    ids = answer.tokens.ids if answer.tokens else None
    return {
        "status": OK,
        "reason": None if ids is not None else NO_IDS,
        "text": answer.text,
        "token_ids": None if ids is None else list(ids),
        "logprobs": None if answer.logprobs is None else list(answer.logprobs),
        "finish": answer.finish,
        "temperature": answer.temperature,
        "top_p": answer.top_p,
        "seed": answer.seed,
    }
