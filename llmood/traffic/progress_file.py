"""What was scored so far, on disk: rows in order, never one twice and never one lost, whenever the process dies.

Rows are appended to `.NAME.partial`; after each chunk reached the disk, `.NAME.partial.json` says how many rows and
bytes of it count. What a dying process wrote after that is cut off when the next one opens it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

from llmood.errors import ConfigError, StoreError
from llmood.tables import write_json
from llmood.traffic.formats import as_line

FORMAT = 1


class ProgressFile:
    """Scored rows as JSON lines, beside the file that they will become.

    Args:
        target: that file.
        identity: what decides the rows (detector, input, options): a partial file of another one is refused.
    """

    def __init__(self, target: Path, identity: Mapping[str, Any]) -> None:
        self.path = target.with_name(f".{target.name}.partial")
        self.state_path = target.with_name(f".{target.name}.partial.json")
        self.target = target
        self.rows = 0
        self._identity = dict(identity)
        self._stream: IO[bytes] | None = None

    @contextmanager
    def opened(self, *, anew: bool = False) -> Iterator[Self]:
        """Hold it, cut to what counts, for the block; a second process is kept out.

        Args:
            anew: whether what is in it counts for nothing.

        Raises:
            ConfigError: another process writes it, it is of another input or detector, or can't be made.
        """
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            # A link that stands there leads to a file that is not ours to cut.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            stream = os.fdopen(os.open(self.path, flags, 0o666), "ab")
        except OSError as error:
            raise ConfigError(f"{self.target}: can't be written: {error.strerror}") from None
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(f"{self.target}: another process is writing it") from None
            if anew:
                self.state_path.unlink(missing_ok=True)
            state = self._state()
            self.rows = int(state["rows"])
            try:
                stream.truncate(int(state["bytes"]))
            except OSError as error:
                raise self._refused(error) from None
            self._stream = stream
            try:
                yield self
            finally:
                self._stream = None

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows; they count once this returns.

        Raises:
            StoreError: the disk takes no more.
        """
        assert self._stream is not None  # noqa: S101 - only within `opened`
        lines = "".join(f"{as_line(row)}\n" for row in rows)
        try:
            self._stream.write(lines.encode("utf-8"))
            self._stream.flush()
            os.fsync(self._stream.fileno())
            size = self._stream.tell()
        except OSError as error:
            raise self._refused(error) from None
        self.rows += len(rows)
        write_json(self.state_path, self._described(self.rows, size))

    def read(self) -> Iterator[dict[str, Any]]:
        """The rows that count, from the first on.

        Raises:
            ConfigError: one of them is not as it was written.
        """
        found = 0
        for found, line in enumerate(self.lines(), start=1):
            yield self._parsed(line, found)
        if found < self.rows:
            raise self._damaged(found + 1)

    def lines(self) -> Iterator[bytes]:
        """The same as they stand there, each with its end."""
        with self.path.open("rb") as stream:
            yield from islice(stream, self.rows)

    def remove(self) -> None:
        """It became the target, or is to be made anew."""
        self.state_path.unlink(missing_ok=True)  # first: without it, what is in the other counts for nothing
        self.path.unlink(missing_ok=True)

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = dict(json.loads(line))
        except (ValueError, TypeError, RecursionError):
            row = {}
        if row.get("row") != number:
            raise self._damaged(number)
        return row

    def _damaged(self, number: int) -> ConfigError:
        return ConfigError(f"{self.path}:{number}: is not what was written", hint="--overwrite begins anew")

    def _state(self) -> dict[str, Any]:
        if not self.state_path.exists():
            return self._described(0, 0)
        place = f"{self.state_path}"
        try:
            state = json.loads(self.state_path.read_text(encoding="utf-8"))
            known = state["format"], state["identity"], int(state["rows"]), int(state["bytes"])
            if min(known[2:]) < 0:
                raise ValueError("a count below 0")
        except (ValueError, LookupError, TypeError):
            raise ConfigError(f"{place}: is damaged", hint="--overwrite begins anew") from None
        if known[:2] != (FORMAT, self._identity):
            raise ConfigError(
                f"{self.target}: was begun with {self._differing(state['identity'])}",
                hint="choose another file with -o, or --overwrite begins anew",
            )
        if self.path.stat().st_size < known[3]:
            raise ConfigError(f"{self.path}: is shorter than it was", hint="--overwrite begins anew")
        return dict(state)

    def _differing(self, before: Any) -> str:
        names = [
            name
            for name in self._identity
            if not isinstance(before, dict) or before.get(name) != self._identity[name]
        ]
        return f"another {names[0].replace('_', ' ')}" if names else "an llmood of another format"

    def _described(self, rows: int, size: int) -> dict[str, Any]:
        return {"format": FORMAT, "identity": self._identity, "rows": rows, "bytes": size}

    def _refused(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.target}: can't write: {error.strerror}",
            hint="what is scored is kept; the same command goes on",
        )
