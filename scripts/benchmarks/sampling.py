"""Several draws a prompt against lm-polygraph, in an environment of its own: the same prompts, batch and thread."""

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
from llmood.scorers.sequence_entropy import SequenceEntropy

TARGET = 4.0
STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class SamplingAgainstLmPolygraph:
    """Monte-Carlo and length-normalised sequence entropy of draws at temperature 1: drawn, stored and scored.

    The peer draws with its own calculator and scores with its own estimators. Its manager is left out: it would answer
    greedily as well, which none of the two needs. Neither side asks which draws mean the same.

    Two random draws aren't equal, but their means are: `agreement` holds the means over all prompts to so many standard
    errors of their difference.
    """

    name: str = "sampling_against_lm_polygraph"
    shape: random_llama.Shape = random_llama.TINY
    prompts: int = 64
    tokens: int = 16
    new_tokens: int = 16
    draws: int = 10
    batch: int = 16

    def measure(self, context: Context) -> list[Record]:
        python = environments.python_of("lm-polygraph")
        folders = random_llama.save(context.folder, self.shape)
        texts = random_llama.texts(self.shape, self.prompts, self.tokens)
        task = {
            "base": str(folders.base),
            "texts": texts,
            "batch": self.batch,
            "draws": self.draws,
            "max_new_tokens": self.new_tokens,
            "threads": THREADS,
        }
        rows = [row[1:] for row in random_llama.token_ids(texts)]
        room = self.batch * self.draws * (max(map(len, rows)) + self.new_tokens)
        number = iter(range(1_000_000))
        with (
            one_thread(),
            scoring_of(folders.base, rows, self._scorers(), new_tokens=self.new_tokens, room=room) as score,
            Peer(python, "lm_polygraph_draws", task, environment={"OMP_NUM_THREADS": "1"}) as peer,
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
        named = f"lm-polygraph {environments.version_of('lm-polygraph')}"
        sums = [np.asarray(side["sum"], np.float64) for side in (ours.result, theirs)]
        error = float(np.sqrt(sum(values.var(ddof=1) / len(values) for values in sums)))
        difference = abs(float(sums[0].mean() - sums[1].mean()))
        return [
            Record(
                self.name,
                1000 * ours.seconds / self.prompts,
                "ms a sample",
                f"{named}: {1000 * theirs['seconds'] / self.prompts:.1f} ms",
                theirs["seconds"] / ours.seconds,
                TARGET,
                context.command,
            ),
            agreement(self.name, named, difference, STANDARD_ERRORS * error, context.command),
        ]

    def _scorers(self) -> dict[str, SequenceEntropy]:
        generations: dict[str, int | float] = {
            "n": self.draws,
            "temperature": 1.0,
            "top_p": 1.0,
            "max_new_tokens": self.new_tokens,
            "top": 0,
            "seed": 0,
        }
        return {
            "sum": SequenceEntropy(generations=generations),
            "mean": SequenceEntropy(generations=generations, mean=True),
        }
