"""What a model said when it was asked several times, for the prompts that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmood.engines.prompts import Unmade
from llmood.engines.store import Store
from llmood.records import CaptureSpec


def draws_texts(
    draws: CaptureSpec, index: Sequence[Mapping[str, Any]], store: Store
) -> dict[str, list[str] | Unmade]:
    """The words of each sample's draws in their order, or why it has none.

    Args:
        index: rows of `tables.INDEX`.
    """
    rows = [row for row in index if row["capture"] == draws.id]
    found: dict[str, list[str] | Unmade] = {
        row["sample_id"]: Unmade(row["status"], row["reason"]) for row in rows if row["shard"] is None
    }
    texts: dict[tuple[str, int], str] = {}
    for shard in {row["shard"] for row in rows} - {None}:
        said = store.read(shard, ["text"])["text"].to_pylist()
        texts |= {(shard, place): text for place, text in enumerate(said)}
    for row in rows:
        own = found.setdefault(row["sample_id"], [])
        if not isinstance(own, Unmade):
            own.append(texts[row["shard"], row["row"]])
    return found
