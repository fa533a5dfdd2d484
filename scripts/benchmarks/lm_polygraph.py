"""Scores of greedy answers against lm-polygraph, in an environment of its own: the same texts, batch and thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import environments, random_llama
from benchmarks.agreement import agreement
from benchmarks.answering import THREADS, one_thread, scoring_of
from benchmarks.context import Context
from benchmarks.peer import Peer
from benchmarks.record import Record
from benchmarks.timing import alternate
from llmood.scorers.sequence_probability import SequenceProbability

TARGET = 10.0
SMALL = random_llama.Shape(64, 2, 176, 4, 4, 4096)


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
        room = self.batch * (max(map(len, rows)) + self.new_tokens)
        response = {"max_new_tokens": self.new_tokens}
        scorers = {
            "sum": SequenceProbability(response=response),
            "mean": SequenceProbability(response=response, mean=True),
        }
        number = iter(range(1_000_000))
        with (
            one_thread(),
            scoring_of(folders.base, rows, scorers, new_tokens=self.new_tokens, room=room) as score,
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
