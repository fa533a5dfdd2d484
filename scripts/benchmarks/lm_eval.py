"""Ratio scoring against lm-eval's `loglikelihood`, in an environment of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks import environments, random_llama, scoring
from benchmarks.agreement import compared
from benchmarks.context import Context
from benchmarks.peer import Peer
from benchmarks.record import Record
from benchmarks.timing import Timed, alternate


@dataclass(frozen=True)
class AgainstLmEval:
    """The same texts under both models; lm-eval loads the base twice, once with the adapter."""

    name: str = "against_lm_eval"
    dtype: str = "float32"
    shape: random_llama.Shape = random_llama.HUNDRED_MILLION
    prompts: int = 64
    tokens: int = 64
    batch: int = 16

    def measure(self, context: Context) -> list[Record]:
        import torch

        python = environments.python_of("lm-eval")
        folders = random_llama.save(context.folder, self.shape, dtype=self.dtype)
        texts = random_llama.texts(self.shape, self.prompts, self.tokens - 1)
        rows = random_llama.token_ids(texts)
        engine = scoring.transformers_engine(folders, dtype=self.dtype, device=context.device)
        task = {
            "base": str(folders.base),
            "adapter": str(folders.adapter),
            "dtype": self.dtype,
            "device": context.device,
            "batch": self.batch,
            "texts": texts,
            "threads": torch.get_num_threads(),
        }
        with Peer(python, "lm_eval_loglikelihood", task) as peer:
            ways: dict[str, Any] = {"ours": lambda: scoring.score(engine, rows), "theirs": peer.run}
            for way in ways.values():
                way()  # loads, warms up
            best = alternate(ways, context.repeats)
        engine.close()
        theirs = best["theirs"].result
        return compared(
            self.name,
            f"lm-eval {environments.version_of('lm-eval')}, batch {self.batch}",
            best["ours"],
            Timed(theirs["seconds"], theirs),
            tokens=self.tokens,
            texts=self.prompts,
            dtype=self.dtype,
            command=context.command,
        )
