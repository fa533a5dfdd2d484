"""What an import hands on: samples and an index of the store, as a run has them once its engine is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from llmood.config import RunConfig
from llmood.records import Reject
from llmood.scorers.base import Scorer


@dataclass(frozen=True, slots=True)
class Imported:
    """Everything that was read.

    Attributes:
        samples: with their text, also where the run is to keep none.
        answers: sample id → what was answered, where the store keeps no text.
        judged: which of them are right, where that was read too.
        described: what `run.json` says of it.
        name: what the run folder is called after.
    """

    config: RunConfig
    name: str
    samples: pa.Table
    index: pa.Table
    rejects: list[Reject]
    described: Mapping[str, Any]
    scorers: dict[str, Scorer]
    answers: Mapping[str, str] | None = None
    judged: pa.Table | None = None
