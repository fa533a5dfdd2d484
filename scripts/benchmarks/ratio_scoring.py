"""How near the machine's limit a likelihood ratio is made: arithmetic done, over the best matrix product's rate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import matrix_rate, random_llama, scoring
from benchmarks.context import Context
from benchmarks.record import Record
from llmood.engines.base import Request
from llmood.records import CaptureSpec


@dataclass(frozen=True)
class RatioScoring:
    """A random Llama and its adapter score the same prompts.

    Arithmetic is 2 × parameters × tokens, for each of the two models; parameters are those of the matrices, the head's
    with them and the input embedding's without. What else is computed (attention, norms, the vocabulary's log-sum, the
    adapter) counts as nothing.
    """

    dtype: str
    target: float | None = None
    shape: random_llama.Shape = random_llama.HUNDRED_MILLION
    prompts: int = 64
    tokens: int = 64
    seconds: float = 0.3
    """For each product, between two passes."""

    title: str = "ratio_scoring"

    @property
    def name(self) -> str:
        return f"{self.title}_{self.dtype}"

    def measure(self, context: Context) -> list[Record]:
        import torch

        folders = random_llama.save(context.folder, self.shape, dtype=self.dtype, device=context.device)
        rows = random_llama.token_ids(random_llama.texts(self.shape, self.prompts, self.tokens - 1))
        engine = scoring.transformers_engine(folders, dtype=self.dtype, device=context.device)
        requests = [Request(row) for row in rows]
        batch = engine.plan(CaptureSpec.of("prompt_logprobs", "base"), requests)[0]
        products = self._products(len(batch) * self.tokens)
        scoring.score(engine, rows)  # loads the model
        times: list[float] = []
        limits: list[matrix_rate.Rate] = []
        for _ in range(context.repeats):
            limits.append(
                matrix_rate.best_rate(products, dtype=self.dtype, device=context.device, seconds=self.seconds)
            )
            started = time.perf_counter()
            scoring.score(engine, rows)
            times.append(time.perf_counter() - started)
        engine.close()
        limit = max(limits, key=lambda rate: rate.value)
        rate = 2.0 * 2.0 * self.shape.parameters * self.prompts * self.tokens / min(times)
        where = f"{torch.get_num_threads()} threads" if context.device == "cpu" else "one GPU"
        return [
            Record(
                self.name,
                rate / 1e9,
                "GFLOP/s",
                f"matrix product {'×'.join(map(str, limit.product))}, {where}: {limit.value / 1e9:.0f} GFLOP/s",
                rate / limit.value,
                self.target,
                context.command,
            ),
            Record(
                f"{self.name}_tokens",
                len(scoring.ROLES) * self.prompts * self.tokens / min(times),
                "tokens/s",
                None,
                None,
                None,
                context.command,
            ),
        ]

    def _products(self, tokens: int) -> Sequence[matrix_rate.Product]:
        shapes = [*self.shape.matrices, (self.shape.hidden, self.shape.vocabulary)]
        return [*matrix_rate.SQUARES, *((tokens, inner, columns) for inner, columns in shapes)]
