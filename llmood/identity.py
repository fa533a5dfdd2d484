"""Identity is content: what a key hashes is what was really used, never a name or a branch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmood.paths import cache_root

DIGEST_HEX = 32  # 128 bits: no two of 10^15 keys collide by chance

# Made once: `json.dumps` makes an encoder for every value, and there are several for each sample.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, non-finite numbers refused."""
    return _CANONICAL.encode(value)


def digest(value: Any) -> str:
    """The hex digest of a JSON-able value."""
    return digest_bytes(canonical_json(value).encode("utf-8", "surrogatepass"))


def digest_bytes(content: bytes) -> str:
    """The hex digest of bytes."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_HEX]


class FileDigests:
    """Digests of files, memoised by (path, size, mtime) so that gigabytes are hashed once.

    Args:
        memo: the JSON file of earlier digests; a missing or unreadable one is an empty memo.
    """

    def __init__(self, memo: Path | None = None) -> None:
        self._memo = memo or cache_root() / "file_digests.json"
        try:
            known = json.loads(self._memo.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, Any] = known if isinstance(known, dict) else {}

    def of(self, path: Path) -> str:
        stat = path.stat()
        name, mark = str(path.resolve()), [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(name)
        if isinstance(known, list) and len(known) == 3 and known[:2] == mark:
            return str(known[2])
        with path.open("rb") as stream:
            value = hashlib.file_digest(stream, "sha256").hexdigest()[:DIGEST_HEX]
        self._known[name] = [*mark, value]
        self._save()
        return value

    def of_all(self, paths: Iterable[Path]) -> str:
        """One digest of several files: their names and their contents, in name order."""
        return digest([[path.name, self.of(path)] for path in sorted(paths, key=lambda path: path.name)])

    def _save(self) -> None:
        # The memo only saves time: a full or read-only disk must not stop a run here.
        partial = self._memo.with_name(f"{self._memo.name}.{os.getpid()}.partial")
        try:
            self._memo.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._known), encoding="utf-8")
            partial.replace(self._memo)
        except OSError:
            with suppress(OSError):
                partial.unlink()
