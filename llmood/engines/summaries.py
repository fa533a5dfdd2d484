"""What the store's contexts hold, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from llmood.engines.state_files import SUFFIX


@dataclass(frozen=True, slots=True)
class Summary:
    """One context, for people."""

    capture: str
    engine: str
    weights: str
    adapter: str
    rows: int
    shards: int
    size: int
    modified: str
    folder: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summary_of(folder: Path, described: Mapping[str, Any]) -> Summary:
    """What the context in a folder holds, from its description and its files."""
    shards = sorted(path for path in folder.glob("*.parquet") if path.is_file())
    states = (path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
    engine = described["engine"]
    params = ",".join(f"{name}={value}" for name, value in sorted(described["params"].items()))
    latest = max((shard.stat().st_mtime for shard in shards), default=0.0)
    return Summary(
        capture=f"{described['kind']}/{described['target']}{'?' + params if params else ''}",
        engine=str(engine["engine"]),
        weights=str(engine.get("weights") or engine.get("model") or "–"),
        adapter=str(engine.get("adapter") or "–"),
        rows=sum(_rows(shard) for shard in shards),
        shards=len(shards),
        size=sum(path.stat().st_size for path in (*shards, *states)),
        modified=datetime.fromtimestamp(latest, UTC).strftime("%Y-%m-%d %H:%M"),
        folder=str(folder),
    )


def _rows(shard: Path) -> int:
    try:
        return int(pq.read_metadata(shard).num_rows)
    except (OSError, pa.ArrowException):
        return 0  # damaged: `cache verify` names it
