"""A loaded causal language model: token log-probabilities and greedy responses of batches of token ids.

Imported only when a model is to be loaded: this is where torch comes in.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.utils import logging

from llmood.errors import EngineError

logging.disable_progress_bar()  # llmood shows its own progress

# Logits that exist at once: 4 MiB of float32 stay in a processor's cache between the product and the log-sum. Of a
# large vocabulary that is too few rows for the product to be fast, so there are at least 64 (37 MiB at 150k words).
LOGITS_AT_ONCE = 1024 * 1024
LEAST_ROWS = 64
# What transformers and peft raise for files that don't fit each other.
LOADING_ERRORS = (
    OSError,
    ValueError,
    ImportError,
    RuntimeError,
    TypeError,
    KeyError,
    AttributeError,
    SafetensorError,
)
TOLERANCE = 1e-4  # what a float32 log-probability may differ by between two right ways to make it
HALF_TOLERANCE = 0.1  # and one in half precision, whose rounding depends on the batch


class CausalLM:
    """One loaded base model, maybe with one LoRA adapter that can be switched off.

    Args:
        folder: the weights.
        adapter: a peft adapter's folder.
        dtype: a torch dtype's name; `device` as torch names it.
    """

    def __init__(
        self, folder: Path, adapter: Path | None, *, dtype: str, device: str, trust_remote_code: bool = False
    ) -> None:
        self.device = torch.device(device)
        try:
            model, loaded = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
            )
        except LOADING_ERRORS as error:
            raise EngineError(
                f"{folder} can't be loaded as a causal language model: {_first_line(error)}"
            ) from error
        _check_loaded(folder, model, loaded)
        self._switch: Any = None
        if adapter is not None:
            self._switch = _attach(model, adapter)
            model = self._switch.get_base_model()
        self.model: Any = model.to(self.device).eval()
        # The model's own generation settings (sampling, penalties, minimum lengths) must not leak into "greedy".
        self.model.generation_config = GenerationConfig()
        self._head = self._checked_head()

    def token_logprobs(self, rows: Sequence[Sequence[int]], *, adapted: bool) -> list[NDArray[np.float32]]:
        """Log p(t_i | t_<i) for i = 1 … T−1 of each row, float32 of length T − 1.

        Rows are padded on the right and no attention mask is needed: a causal model's real tokens never see what
        comes after them.
        """
        longest = max(len(row) for row in rows)
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row, dtype=torch.long)
        lengths = torch.tensor([len(row) for row in rows])
        scored = torch.arange(longest - 1)[None, :] < (lengths - 1)[:, None]
        with torch.inference_mode(), self._adapted(adapted):
            flat = torch.cat(list(self._logprobs(ids.to(self.device), scored.to(self.device)))).cpu().numpy()
        ends = np.cumsum([len(row) - 1 for row in rows])
        return np.split(flat, ends[:-1])

    def greedy(
        self, rows: Sequence[Sequence[int]], *, max_new_tokens: int, end_ids: Sequence[int], adapted: bool
    ) -> list[tuple[list[int], list[float]]]:
        """Each row's most likely continuation, token by token, with raw log-probabilities; the end token is kept."""
        decode = partial(self._greedy, max_new_tokens=max_new_tokens, end_ids=end_ids, adapted=adapted)
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
        decode = partial(self._greedy, max_new_tokens=2, end_ids=(), adapted=False)
        (_, padded), (_, alone) = decode([ids, ids[-2:]])[1], decode([ids[-2:]])[0]
        return bool(np.allclose(padded, alone, rtol=0, atol=self._tolerance))

    @property
    def _tolerance(self) -> float:
        return TOLERANCE if self.model.dtype == torch.float32 else HALF_TOLERANCE

    def _greedy(
        self, rows: Sequence[Sequence[int]], *, max_new_tokens: int, end_ids: Sequence[int], adapted: bool
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
        with torch.inference_mode(), self._adapted(adapted):
            output = self.model.generate(
                ids.to(self.device),
                attention_mask=mask.to(self.device),
                generation_config=settings,
                logits_processor=LogitsProcessorList([recorder]),
            )
        tokens = output[:, longest:].tolist()
        logprobs = torch.stack(recorder.steps, dim=1).cpu().tolist()
        return [_until_end(row, values, set(end_ids)) for row, values in zip(tokens, logprobs, strict=True)]

    def _adapted(self, adapted: bool) -> AbstractContextManager[Any]:
        return nullcontext() if adapted or self._switch is None else self._switch.disable_adapter()

    def _logprobs(self, ids: torch.Tensor, scored: torch.Tensor) -> Iterator[torch.Tensor]:
        """Own-token log-probabilities of the scored positions, a few rows of logits at a time."""
        targets = ids[:, 1:][scored]
        if self._head is None:
            # A head that isn't known to be linear: let the model make its logits, one text at a time.
            for row, mask in zip(ids, scored, strict=True):
                logits = self.model(input_ids=row[None, : int(mask.sum()) + 1]).logits[0, :-1]
                yield _own_logprobs(logits, row[1 : len(logits) + 1])
            return
        states = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1][scored]
        size = max(LEAST_ROWS, LOGITS_AT_ONCE // self.model.config.get_text_config().vocab_size)
        for part, wanted in zip(states.split(size), targets.split(size), strict=True):
            yield _own_logprobs(self._head(part), wanted)

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


def _check_loaded(folder: Path, model: Any, loaded: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that isn't the model that its configuration describes.

    transformers draws the weights that are missing at random, and leaves out the layers that are too many, with a
    warning: either would be scored as if it were the model.
    """
    patterns = {_without_number(name) for name in model.state_dict()}
    layers = [name for name in loaded["unexpected_keys"] if _without_number(name) in patterns]
    for names, what in (
        (loaded["missing_keys"], "lacks weights that config.json asks for"),
        (loaded["mismatched_keys"], "holds weights of another size than config.json says"),
        (layers, "holds layers that config.json leaves out"),
    ):
        if names:
            raise EngineError(f"{folder} {what}: {len(names)} tensors, the first {min(map(str, names))}")


def _without_number(name: str) -> str:
    return re.sub(r"\.\d+\.", ".#.", name)


def _attach(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found missing adapter keys")  # asked for below, and refused
            switch = PeftModel.from_pretrained(model, adapter, is_trainable=False, local_files_only=True)
            loaded = switch.load_adapter(str(adapter), "default", is_trainable=False, local_files_only=True)
    except LOADING_ERRORS as error:
        raise EngineError(f"{adapter} can't be attached to the base model: {_first_line(error)}") from error
    # peft loads what fits: half an adapter would score as if the model had been tuned less.
    astray = [*loaded.missing_keys, *(name for name in loaded.unexpected_keys if "lora_" in name)]
    if astray:
        raise EngineError(
            f"{adapter} is no adapter of this base model: {len(astray)} tensors don't fit, the first {astray[0]}"
        )
    return switch


def _own_logprobs(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Log softmax at the wanted ids, (n, V) and (n,) → float32 (n,)."""
    logits = logits.float()
    own = logits.gather(1, wanted[:, None])[:, 0]
    return own - logits.logsumexp(dim=-1)


def _until_end(tokens: list[int], logprobs: list[float], end_ids: set[int]) -> tuple[list[int], list[float]]:
    last = next((index + 1 for index, token in enumerate(tokens) if token in end_ids), len(tokens))
    return tokens[:last], logprobs[:last]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
