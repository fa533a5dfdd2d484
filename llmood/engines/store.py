"""The one observation store: Parquet shards under a folder per (kind, context), named by their content.

A context is all that decides a capture's numbers except the token ids: weights, adapter, tokenizer, engine, version,
dtype, capture spec. An observation's key hashes its context and its request. A shard appears by rename, whole or
not at all, and its name is the digest of its bytes: concurrent runs can't damage each other's, a kill loses only the
shard in flight, and `verify` needs nothing but the files.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from llmood.engines.state_files import beside, fault_of, orphans, packed
from llmood.engines.states import HIDDEN_STATES
from llmood.engines.summaries import Summary, summary_of
from llmood.errors import StoreError
from llmood.identity import canonical_json, digest, digest_bytes
from llmood.paths import cache_root
from llmood.records import FAILED
from llmood.tables import CAPTURE_SCHEMAS, atomic, read_table, write_text

ABANDONED_SECONDS = 3600.0  # a shard is written in seconds
SHARD_NAME = re.compile(r"[a-z_]+/[0-9a-f]{32}/[0-9a-f]{32}\.parquet")
DAMAGED = "its content is not what its name says"


@dataclass(frozen=True, slots=True)
class Location:
    """Where an observation is: a shard's path relative to the store, and the row in it."""

    shard: str
    row: int


class Store:
    """The store under a folder (default: `observations/` of the cache)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root() / "observations"

    def context(self, kind: str, identity: Mapping[str, Any]) -> Context:
        return Context(self, kind, identity)

    def shards(self) -> list[Path]:
        return sorted(path for path in self.root.glob("*/*/*.parquet") if path.is_file())

    def summaries(self) -> Iterator[Summary]:
        """What each context holds.

        Raises:
            StoreError: a context's description is damaged.
        """
        for path in sorted(self.root.glob("*/*/context.json")):
            try:
                yield summary_of(path.parent, json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                raise StoreError(f"{path}: can't be read: {error}", hint="remove that folder") from error
            except (LookupError, TypeError, AttributeError) as error:
                raise StoreError(f"{path}: describes no context", hint="remove that folder") from error

    def older_than(self, days: float) -> list[Path]:
        """The shards that were written before so many days, each with what lies beside it, and what has no shard."""
        limit = time.time() - days * 86_400
        old = [shard for shard in self.shards() if shard.stat().st_mtime <= limit]
        states = [path for path in map(beside, old) if path.is_file()]
        return [*old, *states, *(path for path in orphans(self.root) if path.stat().st_mtime <= limit)]

    def remove(self, files: Iterable[Path]) -> None:
        """Remove files of the store, and the contexts that are empty then."""
        folders = set()
        # A shard before its states (they sort so): a kill leaves states without a shard, never a shard without.
        for path in sorted(files):
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        for folder in folders:
            left = {entry.name for entry in folder.iterdir()} if folder.is_dir() else None
            if left is not None and left <= {"context.json", "rate.json"}:
                for name in left:
                    (folder / name).unlink(missing_ok=True)
                with suppress(OSError):  # a run has written there since
                    folder.rmdir()

    def read(self, shard: str, columns: list[str] | None = None) -> pa.Table:
        """A shard's rows.

        Raises:
            StoreError: it is gone, or its bytes are not those that its name promises: Parquet has no checksums of its
                own here, and a flipped bit would be a silent wrong number.
        """
        path = self.root / shard
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: can't be read: {error.strerror or error}") from error
        if not _is_whole(path, content):
            raise StoreError(f"{path}: {DAMAGED}", hint="'llmood cache verify' lists what is damaged")
        kind = shard.split("/", 1)[0]
        return read_table(pa.BufferReader(content), CAPTURE_SCHEMAS.get(kind), columns, name=str(path))

    def take(self, other: Store, shards: Iterable[str]) -> list[str]:
        """Copy those of the named shards that are missing here from another store, and say what neither has.

        A shard is copied whole: its name is the digest of its bytes. One that is damaged there counts as missing.
        """
        lacking = []
        for shard in sorted(shards):
            source, target = other.root / shard, self.root / shard
            if not SHARD_NAME.fullmatch(shard):  # from a file that anybody may have written
                raise StoreError(f"'{shard}' names no shard of a store")
            if target.is_file() and (not _has_states(shard) or beside(target).is_file()):
                continue
            content = source.read_bytes() if source.is_file() else b""
            if not _is_whole(source, content) or (_has_states(shard) and fault_of(source) is not None):
                lacking.append(shard)
                continue
            described = source.with_name("context.json")
            if described.is_file() and not target.with_name(described.name).exists():
                write_text(target.with_name(described.name), described.read_text(encoding="utf-8"))
            if _has_states(shard):
                with atomic(beside(target)) as partial:
                    shutil.copyfile(beside(source), partial)
            with atomic(target) as partial:
                partial.write_bytes(content)
        return lacking

    def broken(self) -> Iterator[tuple[Path, str]]:
        """Every file whose bytes are not those that were written, with the reason; what kills left behind too."""
        for shard in self.shards():
            states = _has_states(shard.relative_to(self.root).as_posix())
            damaged = None if _is_whole(shard, shard.read_bytes()) else DAMAGED
            damaged = damaged or (fault_of(shard) if states else None)
            if damaged:
                yield shard, damaged
            if damaged and beside(shard).is_file():
                yield beside(shard), damaged
        for partial in (*sorted(self.root.glob("*/*/.*.partial")), *orphans(self.root)):
            # By age, not by process: the run that writes it may be on another machine.
            if partial.is_file() and time.time() - partial.stat().st_mtime > ABANDONED_SECONDS:
                yield partial, "left by a run that was killed"


class Context:
    """The observations of one context."""

    def __init__(self, store: Store, kind: str, identity: Mapping[str, Any]) -> None:
        self.store = store
        self.kind = kind
        self.identity = dict(identity)
        self.digest = digest({"kind": kind, **self.identity})
        self.folder = store.root / kind / self.digest

    def key(self, content: str) -> str:
        """The key of one observation: what was sent (`Request.content`), in this context."""
        return digest_bytes(f"{self.digest}:{content}".encode())

    def locate(self, keys: set[str]) -> dict[str, Location]:
        """Where the wanted observations are. Failed ones count as missing: they are tried again.

        A shard that can't be read is passed over: its observations are made anew (`cache verify` names it).
        """
        found: dict[str, Location] = {}
        for shard, table in self.tables(["key", "status"]):
            if self.kind == HIDDEN_STATES and fault_of(self.store.root / shard) is not None:
                continue
            rows = zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True)
            for row, (key, status) in enumerate(rows):
                if status != FAILED and key in keys:
                    found.setdefault(key, Location(shard, row))
        return found

    def tables(self, columns: list[str]) -> Iterator[tuple[str, pa.Table]]:
        """Every shard that can be read, with its name."""
        for path in sorted(self.folder.glob("*.parquet")):
            shard = f"{self.kind}/{self.digest}/{path.name}"
            try:
                table = self.store.read(shard, columns)
            except StoreError:
                continue
            yield shard, table

    def rate(self) -> float | None:
        """Tokens a second of the last capture in this context, for forecasts."""
        try:
            return float(json.loads((self.folder / "rate.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def note_rate(self, tokens_per_second: float) -> None:
        """Remember how fast a capture was."""
        write_text(self.folder / "rate.json", f"{tokens_per_second:.6g}\n")

    def append(self, rows: list[dict[str, Any]]) -> dict[str, Location]:
        """Write rows as one shard and say where each key now is.

        Raises:
            StoreError: the disk is full or not writable; what was finished before stays usable.
        """
        described = self.folder / "context.json"
        if not described.exists():
            write_text(described, canonical_json({"kind": self.kind, **self.identity}) + "\n")
        states = None
        if self.kind == HIDDEN_STATES:
            rows, states = packed(rows)
        buffer = pa.BufferOutputStream()
        pq.write_table(
            pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS[self.kind]), buffer, compression="zstd"
        )
        content = buffer.getvalue().to_pybytes()
        name = f"{digest_bytes(content)}.parquet"
        if states is not None:  # first: a shard that is there has its states
            with atomic(beside(self.folder / name)) as partial:
                partial.write_bytes(states)
        with atomic(self.folder / name) as partial:
            partial.write_bytes(content)
        shard = f"{self.kind}/{self.digest}/{name}"
        return {row["key"]: Location(shard, index) for index, row in enumerate(rows)}


def _has_states(shard: str) -> bool:
    return shard.startswith(f"{HIDDEN_STATES}/")


def _is_whole(shard: Path, content: bytes) -> bool:
    return f"{digest_bytes(content)}.parquet" == shard.name
