"""Where a sample's observation is."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where a sample's observation is, or (shard null) why there is none; `draw` tells one of several."""

    shard: str | None
    row: int | None
    status: str
    reason: str | None
    draw: int | None = None
