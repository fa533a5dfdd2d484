"""How a loaded model answers: by steps on the keys and values that it keeps, where that is proved to be right."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmood.engines.decoding import Answer, Decoding
from llmood.engines.models.choosing import Choose, Chooser, Chosen, Vocabulary, kept
from llmood.engines.models.decode import decode, decode_by_generate, keeps_keys_and_values
from llmood.engines.models.head import Head
from llmood.engines.models.pixels import Pixels, joined
from llmood.engines.models.seeing import HEADLESS, check_decoded
from llmood.errors import EngineError

Rows = Sequence[Sequence[int]]


class Decoder:
    """Decodes answers with one model.

    Args:
        head: states → logits; None: the model makes its logits by itself.
        few_ids: some of its vocabulary, to try it with.
        tolerance: what a log-probability may differ by between two right ways to make it.
    """

    def __init__(self, model: Any, head: Head | None, *, few_ids: Sequence[int], tolerance: float) -> None:
        self._model = model
        self._head = head
        self._few_ids = list(few_ids)
        self._tolerance = tolerance
        self._sees = False  # rightly, once that was tried

    def answers(
        self,
        rows: Rows,
        decoding: Decoding,
        *,
        seeds: Sequence[int],
        max_new_tokens: int,
        pixels: Sequence[Pixels] | None = None,
    ) -> list[list[Answer]]:
        """Each row's answers. Draw i takes the row's seed and i; where nothing is drawn, all of them are one."""
        draws = 1 if decoding.greedy else decoding.draws
        lengths = [len(row) for row in rows]
        if len(set(lengths)) == 1 or self.padding_is_unseen:
            batches = [list(range(len(rows)))]
        else:
            batches = [
                [i for i, own in enumerate(lengths) if own == length] for length in sorted(set(lengths))
            ]
        found: dict[int, list[Answer]] = {}
        for batch in batches:
            own = [seeds[index] + draw for index in batch for draw in range(draws)]
            choose = Chooser(decoding, own, max_new_tokens)
            shown = joined(pixels and [pixels[index] for index in batch])
            answers = self._decode(
                [rows[index] for index in batch], choose, draws, max_new_tokens, decoding.end_ids, shown
            )
            if shown and pixels:
                self._check_seeing(rows[batch[0]], pixels[batch[0]], answers[0])
            for place, index in enumerate(batch):
                each = answers[place * draws : (place + 1) * draws] * (decoding.draws // draws)
                found[index] = [replace(answer, seed=seeds[index] + i) for i, answer in enumerate(each)]
        return [found[index] for index in range(len(rows))]

    def _decode(
        self,
        rows: Rows,
        choose: Choose,
        draws: int,
        max_new_tokens: int,
        end_ids: Collection[int],
        shown: Pixels | None = None,
    ) -> list[Answer]:
        settings: dict[str, Any] = {"max_new_tokens": max_new_tokens, "end_ids": end_ids}
        if self.steps_are_right:
            return decode(self._model, self._head, rows, choose, draws=draws, shown=shown, **settings)
        if shown:
            raise EngineError("a model that is decoded by its own means can't be shown pictures yet")
        if self.company_is_unseen:
            return decode_by_generate(self._model, rows, choose, draws=draws, **settings)
        single = enumerate(row for row in rows for _ in range(draws))
        return [
            answer
            for index, row in single
            for answer in decode_by_generate(self._model, [row], _of_row(choose, index), draws=1, **settings)
        ]

    def _check_seeing(self, row: Sequence[int], pixels: Pixels, answer: Answer) -> None:
        """Hold the first answer to a picture against one pass over all of it."""
        if not self._sees:
            if self._head is None:
                raise EngineError(HEADLESS)
            self._sees = check_decoded(
                self._model, self._head, row, pixels, answer.ids, answer.logprobs, self._tolerance
            )

    @cached_property
    def steps_are_right(self) -> bool:
        """Whether steps on kept keys and values, with rows repeated and left out, give what whole passes give."""
        if not keeps_keys_and_values(self._model):
            return False
        ids = self._few_ids
        first, second, end = ids[0], ids[1 % len(ids)], ids[-1]
        rows = [ids, ids[::-1]]
        # Two draws a row; after a step with all of them the first of each ends, and half of the batch with it.
        script = np.array([[first, end, end, end], [second, first, second, first]] * 2)
        try:
            answers = decode(
                self._model, self._head, rows, _scripted(script), draws=2, max_new_tokens=4, end_ids=[end]
            )
        # A model that takes other arguments, or keeps what it has read in a way of its own.
        except (TypeError, ValueError, AttributeError, RuntimeError):
            return False
        stepped = [answers[index].logprobs for index in (1, 3)]
        whole = [self._whole(row, answers[index].ids) for row, index in zip(rows, (1, 3), strict=True)]
        return self._same(stepped, whole)

    def _whole(self, row: Sequence[int], answer: Sequence[int]) -> list[float]:
        """Log-probabilities of an answer's tokens, by one pass over all of it."""
        ids = torch.tensor([*row, *answer], device=self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=ids[None], use_cache=False).logits[0, len(row) - 1 : -1]
            found: list[float] = Vocabulary.of(logits).logprobs(ids[len(row) :, None])[:, 0].tolist()
        return found

    @cached_property
    def company_is_unseen(self) -> bool:
        """Whether `generate` answers a prompt beside another as it does alone; some recurrent models mix the two up."""
        ids = self._few_ids
        script = np.array([ids[:3], ids[:3]])

        def logprobs(rows: Rows) -> list[float]:
            return decode_by_generate(
                self._model, rows, _scripted(script), draws=1, max_new_tokens=script.shape[1], end_ids=()
            )[-1].logprobs

        return self._same(logprobs([ids, ids[::-1]]), logprobs([ids[::-1]]))

    @cached_property
    def padding_is_unseen(self) -> bool:
        """Whether a prompt behind padding is answered as it is alone; some recurrent models let padding in."""
        ids = self._few_ids
        script = np.array([[ids[0]] * 2] * 2)

        def logprobs(rows: Rows) -> list[float]:
            return self._decode(rows, _scripted(script), 1, 2, ())[-1].logprobs

        return self._same(logprobs([ids, ids[-2:]]), logprobs([ids[-2:]]))

    def _same(self, one: Sequence[Any], other: Sequence[Any]) -> bool:
        """Whether log-probabilities are equal but for rounding; what is no number is equal to nothing."""
        return bool(np.allclose(one, other, rtol=0, atol=self._tolerance))


def _scripted(ids: NDArray[np.int64]) -> Choose:
    """Takes these ids (rows, steps), whatever the logits say."""

    def choose(logits: torch.Tensor, rows: NDArray[np.int64], step: int) -> Chosen:
        return kept(Vocabulary.of(logits), torch.from_numpy(ids[rows, step]).to(logits.device), 0)

    return choose


def _of_row(choose: Choose, index: int) -> Choose:
    """What chooses for one row of several, which is run by itself."""
    return lambda logits, rows, step: choose(logits, rows + index, step)
