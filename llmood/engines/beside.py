"""What lies beside the observations: what was found when some were made a second way, and which servers were met.

Both are made of observations, and are worth as much as these: what refers to none that is left may go.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from llmood.engines.store import Store
from llmood.engines.summaries import Summary
from llmood.manifest import read_canary
from llmood.paths import cache_root

KINDS = CANARIES, SERVERS = "canaries", "servers"
OBSERVATIONS = "observations"  # of a canary: the shards whose rows it compared
NOT_WHOLE = "is not what a run writes"


class Beside:
    """The canaries and the known servers of one cache.

    Args:
        store: the observations that they are of.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def summaries(self) -> Iterator[Summary]:
        """A line for each of the two that there is anything of, in the columns of an observation's context."""
        for kind in KINDS:
            files = _files(kind)
            if files:
                latest = max(path.stat().st_mtime for path in files)
                yield Summary(
                    capture=kind,
                    engine="–",
                    weights="–",
                    adapter="–",
                    rows=len(files),
                    shards=len(files),
                    size=sum(path.stat().st_size for path in files),
                    modified=datetime.fromtimestamp(latest, UTC).strftime("%Y-%m-%d %H:%M"),
                    folder=str(cache_root() / kind),
                )

    def broken(self) -> Iterator[tuple[Path, str]]:
        """Every file that can't be read, with the reason: what it held is then found out anew."""
        for kind, read in ((CANARIES, read_canary), (SERVERS, _ids)):
            for path in _files(kind):
                if read(path) is None:
                    yield path, NOT_WHOLE

    def older_than(self, days: float) -> list[Path]:
        """Canaries that were written before so many days, and servers of then whose observations are all gone.

        A server's models are known by what they gave at first. One that is forgotten is met as another, and what the
        store holds of it is never found again.

        Raises:
            StoreError: a context's description is damaged.
        """
        limit = time.time() - days * 86_400
        old = {kind: [path for path in _files(kind) if path.stat().st_mtime <= limit] for kind in KINDS}
        if not old[SERVERS]:
            return old[CANARIES]
        used = {summary.weights for summary in self.store.summaries() if summary.shards}
        unused = [path for path in old[SERVERS] if not used & {f"seen:{known}" for known in _ids(path) or ()}]
        return old[CANARIES] + unused

    def orphans(self, leaving: Iterable[Path]) -> list[Path]:
        """The canaries of shards that are no longer there, or are about to go."""
        root = self.store.root
        gone = {path.relative_to(root).as_posix() for path in leaving if path.is_relative_to(root)}
        return [
            path
            for path in _files(CANARIES)
            for shards in [(read_canary(path) or {}).get(OBSERVATIONS, ())]
            if any(shard in gone or not (root / shard).is_file() for shard in shards)
        ]

    def everything(self) -> list[Path]:
        return [path for kind in KINDS for path in _files(kind)]


def _files(kind: str) -> list[Path]:
    return sorted((cache_root() / kind).glob("*.json"))


def _ids(path: Path) -> list[str] | None:
    """The ids of the models that were met under a server's name; None where the file is damaged."""
    try:
        return [str(entry["id"]) for entry in json.loads(path.read_text(encoding="utf-8"))["seen"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
