"""Decoding token by token: one pass over the prompts, then one token a step on what the model keeps of them.

A model that keeps other things than keys and values (a state-space model) is left to transformers' own `generate`,
which knows each architecture's habits; what comes next is chosen by the same code.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache, GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.cache_utils import DynamicLayer, LinearAttentionCacheLayerMixin

from llmood.engines.decoding import Answer
from llmood.engines.models.choosing import Choose, Chosen
from llmood.engines.models.head import Head, logits_at_once
from llmood.engines.models.pixels import Pixels
from llmood.engines.models.positions import first_positions, next_positions, picked


def keeps_keys_and_values(model: Any) -> bool:
    """Whether the cache that transformers makes for a model holds keys and values alone: those can be picked by row."""
    try:
        layers = DynamicCache(config=model.config).layers
    except KeyError:  # a kind of layer that it has no cache for
        return False
    return all(
        isinstance(layer, DynamicLayer) and not isinstance(layer, LinearAttentionCacheLayerMixin)
        for layer in layers
    )


class Stepper:
    """A batch of prompts on its way: what the model has read so far, and the states before each row's next token.

    Args:
        head: states → logits; None: the model makes its logits by itself.
        rows: prompts, padded on the left.
        shown: the pixels in them, for the first pass.
    """

    def __init__(
        self, model: Any, head: Head | None, rows: Sequence[Sequence[int]], shown: Pixels | None = None
    ) -> None:
        self._model = model
        self._head = head
        self._cache = DynamicCache(config=model.config)
        self._body = model if head is None else model.base_model
        names = inspect.signature(self._body.forward).parameters
        self._takes_positions = "position_ids" in names
        self._kept = {"logits_to_keep": 1} if head is None and "logits_to_keep" in names else {}
        padded, mask = left_padded(rows)
        ids = torch.from_numpy(padded).to(model.device)
        self._mask = None if mask.all() else torch.from_numpy(mask).to(model.device)
        pixels = {name: value.to(model.device) for name, value in (shown or {}).items()}
        self._positions = first_positions(model, ids, mask, pixels)
        self.states = self._read(ids, **pixels)

    def repeat(self, times: int) -> None:
        """Each row so many times, one behind the other."""
        if times > 1:
            self._cache.batch_repeat_interleave(times)
            rows = torch.arange(len(self.states), device=self.states.device).repeat_interleave(times)
            self.states = self.states[rows]
            self._positions = picked(self._positions, rows)
            if self._mask is not None:
                self._mask = self._mask[rows]

    def keep(self, rows: NDArray[np.int64]) -> None:
        """These rows alone, of those that are there."""
        kept = torch.from_numpy(rows).to(self._positions.device)
        self._cache.batch_select_indices(kept)
        self.states = self.states[kept]
        self._positions = picked(self._positions, kept)
        if self._mask is not None:
            self._mask = self._mask[kept]

    def step(self, ids: torch.Tensor) -> None:
        """Read one more token (n,) in each row."""
        self._positions = next_positions(self._positions)
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(ids), 1)], dim=1)
        self.states = self._read(ids[:, None])

    def choose(self, choose: Choose, rows: NDArray[np.int64], step: int) -> Chosen:
        """What comes next in each row; the vocabularies of a few rows exist at a time."""
        if self._head is None:
            return choose(self.states, rows, step)
        size = max(1, logits_at_once(self.states.device) // self._head.words)
        if len(rows) <= size:
            return choose(self._head(self.states), rows, step)
        parts = zip(self.states.split(size), np.split(rows, range(size, len(rows), size)), strict=True)
        return Chosen.joined([choose(self._head(part), own, step) for part, own in parts])

    def _read(self, ids: torch.Tensor, **pixels: torch.Tensor) -> torch.Tensor:
        arguments = {"position_ids": self._positions} if self._takes_positions else {}
        output = self._body(
            input_ids=ids,
            attention_mask=self._mask,
            past_key_values=self._cache,
            use_cache=True,
            **arguments,
            **pixels,
            **self._kept,
        )
        found: torch.Tensor = output.logits if self._head is None else output.last_hidden_state
        return found[:, -1]


def decode(
    model: Any,
    head: Head | None,
    rows: Sequence[Sequence[int]],
    choose: Choose,
    *,
    draws: int,
    max_new_tokens: int,
    end_ids: Collection[int],
    shown: Pixels | None = None,
) -> list[Answer]:
    """Each row's answers, `draws` of a row behind each other; the prompts are read once for all of them.

    Answers that have ended stay in the batch until they are half of it: to take rows out copies the others.
    """
    record = Record(len(rows) * draws, max_new_tokens)
    there = np.arange(len(rows) * draws)
    live = np.ones(len(there), dtype=np.bool_)
    ends = np.array(sorted(end_ids), dtype=np.int64)
    with torch.inference_mode():
        stepper = Stepper(model, head, rows, shown)
        stepper.repeat(draws)
        for step in range(max_new_tokens):
            chosen = stepper.choose(choose, there, step)
            ids = record.add(there, live, chosen)
            live &= ~_among(ids, ends)
            if not live.any() or step + 1 == max_new_tokens:
                break
            following = chosen.ids
            if 2 * live.sum() <= len(live):
                (places,) = np.nonzero(live)
                stepper.keep(places)
                following = following[torch.from_numpy(places).to(following.device)]
                there, live = there[places], live[places]
            stepper.step(following)
    return record.answers()


def decode_by_generate(
    model: Any,
    rows: Sequence[Sequence[int]],
    choose: Choose,
    *,
    draws: int,
    max_new_tokens: int,
    end_ids: Collection[int],
) -> list[Answer]:
    """The same by transformers' `generate`, which reads the prompt of each draw."""
    repeated = [row for row in rows for _ in range(draws)]
    ids, mask = left_padded(repeated)
    settings = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(end_ids) or None,
        pad_token_id=0,
    )
    processor = _Choosing(choose, Record(len(repeated), max_new_tokens), end_ids)
    with torch.inference_mode():
        model.generate(
            torch.from_numpy(ids).to(model.device),
            attention_mask=torch.from_numpy(mask).to(model.device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([processor]),
        )
    return processor.record.answers()


class _Choosing(LogitsProcessor):  # type: ignore[misc]  # transformers is not followed
    """Leaves of the logits only the token that was chosen; the only processor, so what it is given is raw."""

    def __init__(self, choose: Choose, record: Record, end_ids: Collection[int]) -> None:
        self.record = record
        self._choose = choose
        self._ends = np.array(sorted(end_ids), dtype=np.int64)
        self._rows = np.arange(record.size)
        self._live = np.ones(record.size, dtype=np.bool_)
        self._step = 0

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        chosen = self._choose(scores, self._rows, self._step)
        self._live &= ~_among(self.record.add(self._rows, self._live, chosen), self._ends)
        self._step += 1
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen.ids[:, None], 0.0)


class Record:
    """What was chosen in each row, step by step, up to its end."""

    def __init__(self, size: int, steps: int) -> None:
        self.size = size
        self._steps = steps
        self._added: list[tuple[NDArray[np.int64], NDArray[np.bool_], Chosen]] = []

    def add(self, rows: NDArray[np.int64], live: NDArray[np.bool_], chosen: Chosen) -> NDArray[np.int64]:
        """Note what was chosen in these rows, as far as they are `live`; gives the ids."""
        self._added.append((rows, live.copy(), chosen))
        ids: NDArray[np.int64] = chosen.ids.cpu().numpy()
        return ids

    def answers(self) -> list[Answer]:
        """A row's answer each; seeds are the caller's."""
        found: list[list[list[Any]]] = [[[] for _ in range(6)] for _ in range(self.size)]
        for rows, live, chosen in self._added:
            columns = [each.cpu().tolist() for each in chosen.columns]
            for row, counts, *values in zip(rows.tolist(), live.tolist(), *columns, strict=True):
                if counts:
                    for kept, value in zip(found[row], values, strict=True):
                        kept.append(value)
        return [
            Answer(ids, logprobs, top_ids, top_logprobs, entropy=entropy, statistics=statistics)
            for ids, logprobs, entropy, top_ids, top_logprobs, statistics in found
        ]


def _among(ids: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of a few ids are among fewer others."""
    found: NDArray[np.bool_] = (ids[:, None] == ends).any(axis=1)
    return found


def left_padded(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask (n, longest), the texts at the right."""
    longest = max(len(row) for row in rows)
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, longest - len(row) :] = row
        mask[index, longest - len(row) :] = 1
    return ids, mask
