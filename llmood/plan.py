"""What a run will do, resolved and checked before any model loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.config import BenchmarkSpec, RunConfig
from llmood.described import described_model, described_task
from llmood.engines.base import ENCODER, Engine, prompted_roles
from llmood.engines.encoder import cut_texts, encoded_lengths
from llmood.engines.prompts import Prompt
from llmood.judging.choose import Judging
from llmood.judging.equivalence.choose import Readers
from llmood.records import EVALUATED, CaptureSpec, Check, Part, Reject
from llmood.scorers.base import Scorer
from llmood.scoring import background_of
from llmood.tokenise import PlannedTask, without_text, without_values


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it runs: names resolved, data read, prompts tokenised, nothing computed."""

    config: RunConfig
    folder: Path | None
    benchmark: BenchmarkSpec
    tasks: tuple[PlannedTask, ...]
    engine: Engine
    engine_why: str
    scorers: dict[str, Scorer]
    captures: list[CaptureSpec]
    splits: Mapping[CaptureSpec, frozenset[Part]]
    samples: pa.Table
    prompts: tuple[Prompt, ...]
    comparisons: list[CaptureSpec]
    readers: Readers
    judging: Judging | None = None
    choosing: CaptureSpec | None = None
    background: PlannedTask | None = None

    @property
    def read(self) -> tuple[PlannedTask, ...]:
        """All tasks that are read: the benchmark's, and a background behind them."""
        return (*self.tasks, *([] if self.background is None else [self.background]))

    @property
    def rejects(self) -> list[Reject]:
        return [reject for task in self.read for reject in task.loaded.rejects]

    @property
    def kept_samples(self) -> pa.Table:
        """The samples as files keep them: of a private run, without a user's words."""
        return self.samples if self.config.text else without_text(self.samples)

    @property
    def kept_rejects(self) -> list[Reject]:
        """The rejects as files keep them."""
        return self.rejects if self.config.text else [without_values(reject) for reject in self.rejects]

    @property
    def checks(self) -> list[Check]:
        """What the tasks themselves have to say."""
        return [check for task in self.read for check in task.loaded.checks]

    def foreseen(self) -> list[Check]:
        """What can be said before anything is run: the tasks' checks, and prompts that won't be scored."""
        found = list(self.checks)
        names = np.array(self.samples["task"].to_pylist())
        names[np.array(self.samples["split"].to_pylist()) != EVALUATED] = ""
        if any(spec.model == ENCODER for spec in self.captures):
            lengths = encoded_lengths(self.engine, self.prompts)
            found += cut_texts(
                {task.name: lengths[names == task.name] for task in self.tasks},
                self.engine.context_length(ENCODER),
            )
        limits = [self.engine.context_length(role) for role in prompted_roles(self.engine)]
        if not limits:
            return found
        limit, tokens = min(limits), self.samples["prompt_tokens"].to_numpy()
        for task in self.tasks:
            over = int((tokens[names == task.name] > limit).sum())
            if over:
                detail = (
                    f"{over} of {len(task.samples)} samples of {task.name} are longer than the context of "
                    f"{limit} tokens and won't be scored."
                )
                found.append(Check("over_context", "warning", "Prompts over the context", detail, task.name))
        return found

    def describe(self) -> dict[str, Any]:
        """What `run.json` says of it: benchmark, tasks, models and captures, each with its identity."""
        return {
            "benchmark": self.benchmark.model_dump(mode="json"),
            "tasks": [described_task(task) for task in self.tasks],
            "background": self._described_background(),
            "models": {role: described_model(self.engine, role) for role in self.engine.roles},
            "captures": [spec.id for spec in (*self.captures, *self.comparisons)],
            **self.readers.describe(),
            "engine": {"kind": self.engine.kind, "why": self.engine_why},
        }

    def _described_background(self) -> dict[str, Any] | None:
        """As a task, and what the configuration calls it: `rescore` knows it by that."""
        wanted = background_of(self.scorers)
        if self.background is None or wanted is None:
            return None
        return {**described_task(self.background), "asked": wanted[1]}
