"""Greedy decoding by transformers, every choice named, with the raw log-probabilities of what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

Answer = tuple[list[int], list[float]]
"""Token ids and their log-probabilities."""


def decode(
    model: Any, rows: Sequence[Sequence[int]], *, max_new_tokens: int, end_ids: Sequence[int]
) -> list[Answer]:
    """Each row's most likely continuation, token by token; rows are padded on the left, the end token is kept."""
    longest = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, longest - len(row) :] = torch.tensor(row, dtype=torch.long)
        mask[index, longest - len(row) :] = 1
    recorder = _GreedyLogprobs()
    settings = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(end_ids) or None,
        pad_token_id=0,
    )
    with torch.inference_mode():
        output = model.generate(
            ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([recorder]),
        )
    tokens = output[:, longest:].tolist()
    logprobs = torch.stack(recorder.steps, dim=1).cpu().tolist()
    return [_until_end(row, values, set(end_ids)) for row, values in zip(tokens, logprobs, strict=True)]


class _GreedyLogprobs(LogitsProcessor):  # type: ignore[misc]  # transformers is not followed
    """Records the log-probability of the most likely token at each step; the only processor, so logits are raw."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        logits = scores.float()
        self.steps.append(logits.amax(dim=-1) - logits.logsumexp(dim=-1))
        return scores


def _until_end(tokens: list[int], logprobs: list[float], end_ids: set[int]) -> Answer:
    last = next((index + 1 for index, token in enumerate(tokens) if token in end_ids), len(tokens))
    return tokens[:last], logprobs[:last]
