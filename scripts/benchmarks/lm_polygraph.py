"""Scores of greedy answers against lm-polygraph, in an environment of its own: the same texts, batch and thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import environments, random_llama
from benchmarks.agreement import agreement
from benchmarks.context import Context
from benchmarks.peer import Peer
from benchmarks.record import Record
from benchmarks.timing import alternate
from llmood.config import EngineConfig, Models
from llmood.engines.captures import required_captures
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer, Prompt
from llmood.engines.store import Store
from llmood.scorers.likelihood import Likelihood
from llmood.tables import SAMPLES

TARGET = 10.0
SMALL = random_llama.Shape(64, 2, 176, 4, 4, 4096)
THREADS = 1


@dataclass(frozen=True)
class AgainstLmPolygraph:
    """Sum and mean of the log-probabilities of greedy answers: decoded, stored and scored."""

    name: str = "against_lm_polygraph"
    shape: random_llama.Shape = SMALL
    prompts: int = 64
    tokens: int = 16
    new_tokens: int = 16
    batch: int = 16

    def measure(self, context: Context) -> list[Record]:
        python = environments.python_of("lm-polygraph")
        folders = random_llama.save(context.folder, self.shape)
        texts = random_llama.texts(self.shape, self.prompts, self.tokens)
        task = {
            "base": str(folders.base),
            "texts": texts,
            "batch": self.batch,
            "max_new_tokens": self.new_tokens,
            "threads": THREADS,
        }
        rows = [row[1:] for row in random_llama.token_ids(texts)]
        number = iter(range(1_000_000))
        with (
            one_thread(),
            scorer_of(folders.base, rows, self.new_tokens, self.batch) as score,
            Peer(python, "lm_polygraph_responses", task, environment={"OMP_NUM_THREADS": "1"}) as peer,
        ):
            ways: dict[str, Callable[[], dict[str, Any]]] = {
                # A store of its own each time, or there would be nothing to do.
                "ours": lambda: score(context.folder / f"store-{next(number)}"),
                "theirs": peer.run,
            }
            for way in ways.values():
                way()  # loads, warms up
            best = alternate(ways, context.repeats)
        ours, theirs = best["ours"], best["theirs"].result
        version = environments.version_of("lm-polygraph")
        difference = float(np.abs(np.subtract(ours.result["sum"], theirs["sum"])).max())
        return [
            Record(
                self.name,
                1000 * ours.seconds / self.prompts,
                "ms a sample",
                f"lm-polygraph {version}: {1000 * theirs['seconds'] / self.prompts:.1f} ms",
                theirs["seconds"] / ours.seconds,
                TARGET,
                context.command,
            ),
            agreement(
                self.name,
                f"lm-polygraph {version}",
                difference,
                1e-4 * self.new_tokens,
                context.command,
            ),
        ]


@contextmanager
def scorer_of(
    base: Path, rows: Sequence[tuple[int, ...]], new_tokens: int, batch: int
) -> Iterator[Callable[[Path], dict[str, Any]]]:
    """What a run does with response scorers: capture into a store, read, score."""
    from llmood.engines.transformers import TransformersEngine

    room = batch * (max(map(len, rows)) + new_tokens)
    engine = TransformersEngine(
        EngineConfig(dtype="float32", device="cpu", batch_tokens=room),
        Models.model_validate({"tuned": str(base)}),
    )
    prompts = [Prompt(f"s{index}", row) for index, row in enumerate(rows)]
    samples = pa.Table.from_pylist([{"sample_id": prompt.sample_id} for prompt in prompts], schema=SAMPLES)
    scorers = {
        "sum": Likelihood(target="response_given_prompt"),
        "mean": Likelihood(target="response_given_prompt", mean=True),
    }
    captures = required_captures(scorers.values(), {"max_new_tokens": new_tokens})

    def score(folder: Path) -> dict[str, Any]:
        store = Store(folder)
        observer = Observer(engine, prompts, store, private=False)
        for spec in captures:
            observer.run(spec)
        observations = Observations(samples, observer.index(), store)
        found = {name: np.full(len(rows), np.nan) for name in scorers}
        for block in observations.blocks([spec for spec in captures if spec.kind != "response"]):
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
