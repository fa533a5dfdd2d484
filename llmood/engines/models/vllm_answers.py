"""Answers and next tokens of a model that vLLM has loaded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from vllm import SamplingParams

from llmood.engines.decoding import Answer, Decoding, NextToken
from llmood.engines.models.choosing import Vocabulary, from_uniform
from llmood.engines.models.vllm_logits import watched
from llmood.engines.models.vllm_model import VllmModel

Rows = Sequence[Sequence[int]]


def decode(
    model: VllmModel,
    rows: Rows,
    adapters: Sequence[str | None],
    decoding: Decoding,
    *,
    max_new_tokens: Sequence[int],
    seeds: Sequence[int | None],
) -> list[list[Answer] | str]:
    """Each row's answers, or why it has none. All of its draws are one request; draw i takes the row's seed and i."""
    draws = 1 if decoding.greedy else decoding.draws  # vLLM refuses several that would be one
    settings = [
        SamplingParams(
            n=draws,
            max_tokens=most,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            seed=seed,
            logprobs=decoding.alternatives,
            flat_logprobs=True,
            detokenize=False,
            stop_token_ids=list(decoding.end_ids),
        )
        for most, seed in zip(max_new_tokens, seeds, strict=True)
    ]
    read = _distribution if decoding.statistics else _entropy
    with watched(model.llm, read) if decoding.entropy or decoding.statistics else nullcontext() as seen:
        outputs = model.generate(rows, settings, adapters)
    found: list[list[Answer] | str] = []
    for output, seed in zip(outputs, seeds, strict=True):
        if isinstance(output, str):
            found.append(output)
            continue
        answers = [_answer(each) for each in output.outputs]
        if seen is not None:
            answers = [
                _with_seen(answer, seen.of(output.request_id, draw, len(answer.ids)))
                for draw, answer in enumerate(answers)
            ]
        answers *= decoding.draws // draws
        found.append(
            [
                replace(answer, seed=None if seed is None else seed + draw)
                for draw, answer in enumerate(answers)
            ]
        )
    return found


def next_tokens(
    model: VllmModel,
    rows: Rows,
    adapters: Sequence[str | None],
    *,
    alternatives: int,
    label_ids: Sequence[int],
    shows_logits: bool,
) -> list[NextToken | str]:
    """The distribution after each row, or why there is none; without logits, only its likeliest tokens."""
    settings = SamplingParams(
        max_tokens=1, temperature=0, logprobs=alternatives, flat_logprobs=True, detokenize=False
    )

    def read(logits: torch.Tensor) -> torch.Tensor:
        return torch.cat([_entropy(logits), logits[:, list(label_ids)].double()], dim=1)

    with watched(model.llm, read) if shows_logits else nullcontext() as seen:
        outputs = model.generate(rows, settings, adapters)
    found: list[NextToken | str] = []
    for output in outputs:
        if isinstance(output, str):
            found.append(output)
            continue
        answer = _answer(output.outputs[0])
        entropy, *labels = seen.of(output.request_id, 0, 1)[0] if seen is not None else (None,)
        found.append(NextToken(answer.top_ids[0], answer.top_logprobs[0], entropy, labels))
    return found


def _entropy(logits: torch.Tensor) -> torch.Tensor:
    return Vocabulary.of(logits).entropy()[:, None]


def _distribution(logits: torch.Tensor) -> torch.Tensor:
    vocabulary = Vocabulary.of(logits)
    return torch.cat([vocabulary.entropy()[:, None], from_uniform(vocabulary)], dim=1)


def _with_seen(answer: Answer, rows: Sequence[Sequence[float]]) -> Answer:
    return replace(answer, entropy=[row[0] for row in rows], statistics=[row[1:] for row in rows])


def _answer(completion: Any) -> Answer:
    """Of each token vLLM gives its own log-probability first, then the likeliest ones' (its own may be among them)."""
    flat = completion.logprobs
    spans = list(zip(flat.start_indices, flat.end_indices, strict=True))
    return Answer(
        list(completion.token_ids),
        [flat.logprobs[start] for start, _ in spans],
        [list(flat.token_ids[start + 1 : end]) for start, end in spans],
        [list(flat.logprobs[start + 1 : end]) for start, end in spans],
    )
