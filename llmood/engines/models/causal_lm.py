"""A loaded causal language model: token log-probabilities and answers of batches of token ids.

Imported only when a model is to be loaded: this is where torch comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from llmood.engines.decoding import Answer, Decoding, NextToken
from llmood.engines.models.attention import Attending
from llmood.engines.models.decoder import Decoder
from llmood.engines.models.early_exit import OfStates as OfExit
from llmood.engines.models.early_exit import final_norm
from llmood.engines.models.eye import eye_states
from llmood.engines.models.forward import OfStates, of_states, states_of
from llmood.engines.models.head import LEAST_ROWS, Head, logits_at_once
from llmood.engines.models.host import ToHost
from llmood.engines.models.loaded import LoadedModel
from llmood.engines.models.next_token import read_next
from llmood.engines.models.of_logits import OfLogits, logprob_moments, own_logprobs
from llmood.engines.models.pixels import Pixels, joined
from llmood.engines.models.seeing import HEADLESS
from llmood.engines.models.states import Tapped
from llmood.engines.states import Ranges
from llmood.errors import ConfigError, EngineError

Finish = Callable[[], list[NDArray[np.float32]]]
"""Waits for what a device was given to do, and reads it: an array for each row."""


class CausalLM(LoadedModel):
    """What is read off a loaded model's passes, of batches of rows of token ids."""

    _taps: Tapped | None = None  # of its hidden states, once they are asked for
    _attending: Attending | None = None
    _norm: OfExit | None = None

    @cached_property
    def decoder(self) -> Decoder:
        """How it answers."""
        return Decoder(self.model, self._head, few_ids=self._few_ids, tolerance=self._tolerance)

    def token_logprobs(
        self,
        rows: Sequence[Sequence[int]],
        *,
        adapter: str | None,
        pixels: Sequence[Pixels] | None = None,
    ) -> Finish:
        """Log p(t_i | t_<i) for i = 1 … T−1 of each row, float32 of length T − 1.

        Args:
            pixels: what each row is shown; None: no row anything.
        """
        if self._head is None:
            return self._of_logits(rows, own_logprobs, adapter, pixels)
        return self._of_states(rows, self._head.own_logprobs, adapter, pixels)

    def token_moments(
        self,
        rows: Sequence[Sequence[int]],
        *,
        adapter: str | None,
        pixels: Sequence[Pixels] | None = None,
    ) -> Finish:
        """Mean and standard deviation of log p(· | t_<i) under p itself, at the same places: float32 (T − 1, 2)."""

        def moments(logits: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            return logprob_moments(logits)

        if self._head is None:
            return self._of_logits(rows, moments, adapter, pixels)
        return self._of_states(rows, partial(self._head.of_rows, function=moments), adapter, pixels)

    def _of_states(
        self,
        rows: Sequence[Sequence[int]],
        function: OfStates,
        adapter: str | None,
        pixels: Sequence[Pixels] | None,
    ) -> Finish:
        """What a function makes of the decoder's states before each token but the first, row by row."""
        with self._laid_out(rows, adapter, pixels) as layout:
            return _by_row(of_states(self.model, layout, function), rows)

    def _of_logits(
        self,
        rows: Sequence[Sequence[int]],
        function: OfLogits,
        adapter: str | None,
        pixels: Sequence[Pixels] | None,
    ) -> Finish:
        """The same of a model whose head isn't known: it makes its logits by itself, one text at a time."""
        if pixels:
            raise EngineError(HEADLESS)
        found = []
        with torch.inference_mode(), self._adapted(adapter):
            for row in rows:
                ids = torch.tensor(row, device=self.device)
                logits = self.model(input_ids=ids[None]).logits[0, :-1]
                parts = zip(logits.split(LEAST_ROWS), ids[1:].split(LEAST_ROWS), strict=True)
                found += [function(part, wanted) for part, wanted in parts]
            return _by_row(torch.cat(found), rows)

    def states(
        self,
        rows: Sequence[Sequence[int]],
        layers: Sequence[int],
        ranges: Sequence[Sequence[Ranges]],
        *,
        depth: int,
        adapter: str | None,
        pixels: Sequence[Pixels] | None = None,
    ) -> Finish:
        """Of each row the means of hidden states over some of its tokens, float32 (layers, means, size)."""
        tapped = self._tapped(depth)
        with self._laid_out(rows, adapter, pixels) as layout:
            return tapped.states(layout, layers, ranges)

    def seen(self, pixels: Sequence[Pixels], *, adapter: str | None) -> Callable[[], NDArray[np.float32]]:
        """What its eye makes of each row's pictures, float32 (rows, size)."""
        with self._adapted(adapter):
            return eye_states(self.model, pixels)

    def exit_logprobs(
        self,
        rows: Sequence[Sequence[int]],
        layer: int,
        *,
        depth: int,
        adapter: str | None,
        pixels: Sequence[Pixels] | None = None,
    ) -> Finish:
        """As `token_logprobs`, read off a layer's states by the model's own final norm and head."""
        norm, tapped = self.find_norm(depth), self._tapped(depth)
        with self._laid_out(rows, adapter, pixels) as layout:
            found = tapped.at(layout, layer)[layout.places]
            states = found if layer == depth else norm(found)  # the last ones are behind it
            return _by_row(cast("Head", self._head).own_logprobs(states, layout.wanted), rows)

    def find_norm(self, depth: int) -> OfExit:
        """What stands between the last block and the head.

        Raises:
            ConfigError: it isn't found, or the head isn't known: then nothing can be read off a lower layer.
        """
        if self._norm is None:
            try:
                if self._head is None:
                    raise LookupError("its logits are not made by its head alone")
                self._norm = final_norm(self.model.base_model, depth, self._few_ids)
            except LookupError as error:
                raise ConfigError(
                    f"scorers: no early exit of this model can be read: {error}",
                    hint="leave out early_exit_ratio",
                ) from error
        return self._norm

    def _tapped(self, depth: int) -> Tapped:
        if self._taps is None:
            self._taps = Tapped(self.model.base_model, depth, self._few_ids)
        return self._taps

    def attention(
        self,
        rows: Sequence[Sequence[int]],
        layers: Sequence[int],
        ranges: Sequence[tuple[int, int]],
        *,
        depth: int,
        adapter: str | None,
        pixels: Sequence[Pixels] | None = None,
    ) -> Finish:
        """Of each row what the tokens of a range, but its first, pay to the one before: (layers, heads, n)."""
        if pixels:
            with self._adapted(adapter):
                self._check_seeing(rows[0], pixels[0])
        with torch.inference_mode(), self._adapted(adapter):
            if self._attending is None:
                self._attending = Attending(self.model, depth, self._few_ids)
            return self._attending.previous(rows, layers, ranges, joined(pixels))

    def next_tokens(
        self,
        rows: Sequence[Sequence[int]],
        *,
        alternatives: int,
        label_ids: Sequence[int],
        adapter: str | None,
        pixels: Sequence[Pixels] | None = None,
    ) -> Callable[[], list[NextToken]]:
        """The distribution after each row's last token; what comes back waits for it."""
        if self._head is None and not pixels:
            with torch.inference_mode(), self._adapted(adapter):
                own = (self.model(input_ids=torch.tensor([row], device=self.device)) for row in rows)
                return read_next((each.logits[:, -1] for each in own), alternatives, label_ids)
        with self._laid_out(rows, adapter, pixels) as layout:
            head = cast("Head", self._head)
            states = states_of(self.model, layout)[layout.last]
            size = max(LEAST_ROWS, logits_at_once(self.device) // head.words)
            return read_next(map(head, states.split(size)), alternatives, label_ids)

    def answers(
        self,
        rows: Sequence[Sequence[int]],
        decoding: Decoding,
        *,
        seeds: Sequence[int],
        max_new_tokens: int,
        adapter: str | None,
        pixels: Sequence[Pixels] | None = None,
    ) -> list[list[Answer]]:
        """Each row's answers; the end token is kept."""
        with self._adapted(adapter):
            return self.decoder.answers(
                rows, decoding, seeds=seeds, max_new_tokens=max_new_tokens, pixels=pixels
            )


def _by_row(values: torch.Tensor, rows: Sequence[Sequence[int]]) -> Finish:
    """Reads what belongs to each row: a value for each of its tokens but the first."""
    copy = ToHost(values)
    ends = np.cumsum([len(row) - 1 for row in rows])
    return lambda: np.split(copy.numpy(), ends[:-1])
