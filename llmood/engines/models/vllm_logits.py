"""The raw logits that vLLM samples from, seen in its own process at the moment they are made.

vLLM gives out log-probabilities of some tokens; an entropy needs them all, and a list of a whole vocabulary a token is
too slow to hand over. So they are reduced where they are: V1's runner (the one on a CPU) keeps a step's logits until it
samples, and this reads them there, before any temperature, together with which request each row belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from llmood.engines.models.choosing import rows_at_once
from llmood.errors import EngineError

Read = Callable[[torch.Tensor], torch.Tensor]
"""Raw logits (n, V) → what is kept of each row, (n, m)."""


class Seen:
    """What was read of the logits, by request and by which of its new tokens they were made for."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, list[float]]] = {}

    def add(self, request_id: str, position: int, row: list[float]) -> None:
        """Note what was read for a request's token; a request that was put off and begun anew gives it again."""
        self._rows.setdefault(_named(request_id), {})[position] = row

    def of(self, request_id: str, draw: int, tokens: int) -> list[list[float]]:
        """What was read for the first so many tokens of an answer.

        Raises:
            EngineError: not all of it was seen.
        """
        # vLLM names the several answers to a request by a number before its name, and one alone by the name.
        rows = self._rows.get(f"{draw}_{request_id}") or self._rows.get(request_id, {})
        if not all(position in rows for position in range(tokens)):
            raise EngineError(f"vLLM made tokens whose logits nobody saw (request {request_id})")
        return [rows[position] for position in range(tokens)]


@contextmanager
def watched(llm: Any, read: Read) -> Iterator[Seen]:
    """Within, what `read` makes of the logits of every token that is sampled."""
    runner = llm.llm_engine.model_executor.driver_worker.worker.model_runner
    sample, seen = runner.sample_tokens, Seen()

    def sample_and_look(*args: Any, **kwargs: Any) -> Any:
        state = runner.execute_model_state
        if state is not None:
            _look(runner, state.logits, read, seen)
        return sample(*args, **kwargs)

    runner.sample_tokens = sample_and_look
    try:
        yield seen
    finally:
        del runner.sample_tokens  # what its class has shows again


def _look(runner: Any, logits: torch.Tensor, read: Read, seen: Seen) -> None:
    """Read a step's logits; one row for each request of the step, in the runner's order."""
    ids = list(runner.input_batch.req_ids)
    # How much of each request is read after this step: its prompt, and the new tokens but the one that comes now.
    lengths = runner.optimistic_seq_lens_cpu[: len(ids)].tolist()
    prompts = runner.input_batch.num_prompt_tokens[: len(ids)].tolist()
    rows = torch.cat([read(part) for part in logits[: len(ids)].split(rows_at_once(logits))]).tolist()
    for request_id, length, prompt, row in zip(ids, lengths, prompts, rows, strict=True):
        if length >= prompt:  # else more of the prompt is to come, and the row says nothing
            seen.add(request_id, length - prompt, row)


def _named(request_id: str) -> str:
    """Without the random end that vLLM gives each request."""
    return request_id.rsplit("-", 1)[0]
