"""Answers made and scored as a run does it, again and again: captured into a store, read, scored; on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.config import EngineConfig, Models
from llmood.engines.captures import required_captures
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer, Prompt
from llmood.engines.store import Store
from llmood.scorers.base import Scorer
from llmood.tables import SAMPLES

THREADS = 1


@contextmanager
def scoring_of(
    base: Path, rows: Sequence[tuple[int, ...]], scorers: Mapping[str, Scorer], *, new_tokens: int, room: int
) -> Iterator[Callable[[Path], dict[str, Any]]]:
    """What scores the answers to prompts, given a folder for its store; the model stays loaded.

    Args:
        new_tokens: the most of a greedy answer, where a scorer needs one.
        room: tokens of a batch.
    """
    from llmood.engines.transformers import TransformersEngine

    engine = TransformersEngine(
        EngineConfig(dtype="float32", device="cpu", batch_tokens=room),
        Models.model_validate({"tuned": str(base)}),
    )
    prompts = [Prompt(f"s{index}", row) for index, row in enumerate(rows)]
    samples = pa.Table.from_pylist([{"sample_id": prompt.sample_id} for prompt in prompts], schema=SAMPLES)
    captures = required_captures(scorers.values(), {"max_new_tokens": new_tokens})
    read = sorted({spec for scorer in scorers.values() for spec in scorer.needs})

    def score(folder: Path) -> dict[str, Any]:
        store = Store(folder)
        observer = Observer(engine, prompts, store, private=False)
        for spec in captures:
            observer.run(spec)
        observations = Observations(samples, observer.index(), store)
        found = {name: np.full(len(rows), np.nan) for name in scorers}
        for block in observations.blocks(read):
            for name, scorer in scorers.items():
                found[name][block.positions] = scorer.score(block).values
        return found

    try:
        yield score
    finally:
        engine.close()


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, torch uses one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
