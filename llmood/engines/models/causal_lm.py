"""A loaded causal language model: token log-probabilities and greedy responses of batches of token ids.

Imported only when a model is to be loaded: this is where torch comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from llmood.engines.models.loading import attach, load_model, peft_name
from llmood.engines.models.of_logits import OfLogits, logprob_moments, own_logprobs

# Logits that exist at once: 4 MiB of float32 stay in a processor's cache between the product and the log-sum. Of a
# large vocabulary that is too few rows for the product to be fast, so there are at least 64 (37 MiB at 150k words).
LOGITS_AT_ONCE = 1024 * 1024
LEAST_ROWS = 64
TOLERANCE = 1e-4  # what a float32 log-probability may differ by between two right ways to make it
HALF_TOLERANCE = 0.1  # and one in half precision, whose rounding depends on the batch


class CausalLM:
    """One loaded base model, maybe with LoRA adapters, of which one or none is switched on.

    Args:
        folder: the weights.
        adapters: peft adapters' folders, by the names that `adapter` calls them by.
        dtype: a torch dtype's name; `device` as torch names it.
    """

    def __init__(
        self,
        folder: Path,
        adapters: Mapping[str, Path],
        *,
        dtype: str,
        device: str,
        trust_remote_code: bool = False,
    ) -> None:
        self.device = torch.device(device)
        model = load_model(folder, dtype=dtype, trust_remote_code=trust_remote_code)
        self._switch: Any = None
        if adapters:
            self._switch = attach(model, adapters)
            model = self._switch.get_base_model()
        self.model: Any = model.to(self.device).eval()
        # The model's own generation settings (sampling, penalties, minimum lengths) must not leak into "greedy".
        self.model.generation_config = GenerationConfig()
        self._head = self._checked_head()

    def token_logprobs(
        self, rows: Sequence[Sequence[int]], *, adapter: str | None
    ) -> list[NDArray[np.float32]]:
        """Log p(t_i | t_<i) for i = 1 … T−1 of each row, float32 of length T − 1."""
        return self._of_tokens(rows, own_logprobs, adapter)

    def token_moments(
        self, rows: Sequence[Sequence[int]], *, adapter: str | None
    ) -> list[NDArray[np.float32]]:
        """Mean and standard deviation of log p(· | t_<i) under p itself, at the same places: float32 (T − 1, 2)."""
        return self._of_tokens(rows, lambda logits, _: logprob_moments(logits), adapter)

    def _of_tokens(
        self, rows: Sequence[Sequence[int]], function: OfLogits, adapter: str | None
    ) -> list[NDArray[np.float32]]:
        """What a function makes of the logits before each token but the first, row by row.

        Rows are padded on the right and no attention mask is needed: a causal model's real tokens never see what
        comes after them.
        """
        longest = max(len(row) for row in rows)
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row, dtype=torch.long)
        lengths = torch.tensor([len(row) for row in rows])
        scored = torch.arange(longest - 1)[None, :] < (lengths - 1)[:, None]
        with torch.inference_mode(), self._adapted(adapter):
            parts = list(self._of_logits(ids.to(self.device), scored.to(self.device), function))
            flat = torch.cat(parts).cpu().numpy()
        ends = np.cumsum([len(row) - 1 for row in rows])
        return np.split(flat, ends[:-1])

    def greedy(
        self,
        rows: Sequence[Sequence[int]],
        *,
        max_new_tokens: int,
        end_ids: Sequence[int],
        adapter: str | None,
    ) -> list[tuple[list[int], list[float]]]:
        """Each row's most likely continuation, token by token, with raw log-probabilities; the end token is kept."""
        decode = partial(self._greedy, max_new_tokens=max_new_tokens, end_ids=end_ids, adapter=adapter)
        lengths = [len(row) for row in rows]
        if len(set(lengths)) == 1 or self._padding_is_unseen:
            return decode(rows)
        answers: dict[int, tuple[list[int], list[float]]] = {}
        for length in sorted(set(lengths)):
            alike = [index for index, other in enumerate(lengths) if other == length]
            answers |= zip(alike, decode([rows[index] for index in alike]), strict=True)
        return [answers[index] for index in range(len(rows))]

    @cached_property
    def _padding_is_unseen(self) -> bool:
        """Whether a prompt behind padding is answered as it is alone; some recurrent models let padding in."""
        ids = list(range(min(8, int(self.model.config.get_text_config().vocab_size))))
        decode = partial(self._greedy, max_new_tokens=2, end_ids=(), adapter=None)
        (_, padded), (_, alone) = decode([ids, ids[-2:]])[1], decode([ids[-2:]])[0]
        return bool(np.allclose(padded, alone, rtol=0, atol=self._tolerance))

    @property
    def _tolerance(self) -> float:
        return TOLERANCE if self.model.dtype == torch.float32 else HALF_TOLERANCE

    def _greedy(
        self,
        rows: Sequence[Sequence[int]],
        *,
        max_new_tokens: int,
        end_ids: Sequence[int],
        adapter: str | None,
    ) -> list[tuple[list[int], list[float]]]:
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
        with torch.inference_mode(), self._adapted(adapter):
            output = self.model.generate(
                ids.to(self.device),
                attention_mask=mask.to(self.device),
                generation_config=settings,
                logits_processor=LogitsProcessorList([recorder]),
            )
        tokens = output[:, longest:].tolist()
        logprobs = torch.stack(recorder.steps, dim=1).cpu().tolist()
        return [_until_end(row, values, set(end_ids)) for row, values in zip(tokens, logprobs, strict=True)]

    def _adapted(self, adapter: str | None) -> AbstractContextManager[Any]:
        if self._switch is None:
            return nullcontext()
        if adapter is None:
            return cast("AbstractContextManager[Any]", self._switch.disable_adapter())
        self._switch.set_adapter(peft_name(adapter), inference_mode=True)
        return nullcontext()

    def _of_logits(
        self, ids: torch.Tensor, scored: torch.Tensor, function: OfLogits
    ) -> Iterator[torch.Tensor]:
        """What a function makes of the logits of the scored positions, a few rows of them at a time."""
        targets = ids[:, 1:][scored]
        size = max(LEAST_ROWS, LOGITS_AT_ONCE // self.model.config.get_text_config().vocab_size)
        if self._head is None:
            # A head that isn't known to be linear: let the model make its logits, one text at a time.
            for row, mask in zip(ids, scored, strict=True):
                logits = self.model(input_ids=row[None, : int(mask.sum()) + 1]).logits[0, :-1]
                parts = zip(logits.split(size), row[1 : len(logits) + 1].split(size), strict=True)
                yield from (function(part, wanted) for part, wanted in parts)
            return
        states = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1][scored]
        for part, wanted in zip(states.split(size), targets.split(size), strict=True):
            yield function(self._head(part), wanted)

    def _checked_head(self) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """States → logits, as the model itself does it; None where that can't be reproduced."""
        output = self.model.get_output_embeddings()
        config = self.model.config.get_text_config()
        if output is None:
            return None
        cap = getattr(config, "final_logit_softcapping", None)
        scale = getattr(config, "logit_scale", None) or 1.0 / (getattr(config, "logits_scaling", None) or 1.0)

        def head(states: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = output(states) * scale if scale != 1.0 else output(states)
            return torch.tanh(logits / cap) * cap if cap else logits

        ids = torch.arange(min(8, config.vocab_size), device=self.device)[None]
        with torch.inference_mode():
            theirs = self.model(input_ids=ids).logits
            ours = head(self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state)
        if theirs.shape != ours.shape:
            return None
        difference = (theirs.float().log_softmax(-1) - ours.float().log_softmax(-1)).abs().max()
        same = bool(difference <= self._tolerance)
        return head if same else None


class _GreedyLogprobs(LogitsProcessor):  # type: ignore[misc]  # transformers is not followed
    """Records the log-probability of the most likely token at each step; the only processor, so logits are raw."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        logits = scores.float()
        self.steps.append(logits.amax(dim=-1) - logits.logsumexp(dim=-1))
        return scores


def _until_end(tokens: list[int], logprobs: list[float], end_ids: set[int]) -> tuple[list[int], list[float]]:
    last = next((index + 1 for index, token in enumerate(tokens) if token in end_ids), len(tokens))
    return tokens[:last], logprobs[:last]
