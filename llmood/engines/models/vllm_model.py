"""A model loaded by vLLM in this process: token ids in, what was asked for out, a window of requests at a time.

Imported only when a model is to be loaded: this is where vLLM comes in. What it gets wrong in silence, and what is done
about it here:

- Where base and adapter requests share a batch on a CPU, rows without an adapter read the last slot: there is always
  one slot more than adapters.
- A head that is merely wrapped for adapters breaks prompt log-probabilities: only the modules that the adapters change
  are wrapped, and none outside the layers (`adapter_support`).
- Values read from the prefix cache are not log-probabilities: none may be read, and each answer is asked.
- The head's product is rounded to the model's dtype before the log-sum: it is made in float32.
- What it makes of a picture's places is its own: what it read is compared with what it had to read (`vllm_pictures`).
"""

from __future__ import annotations

import gc
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from vllm import LLM, SamplingParams, TokensPrompt
from vllm.exceptions import VLLMValidationError
from vllm.lora.request import LoRARequest

from llmood.engines.models.shown import MOST_PICTURES, ShownRow
from llmood.engines.vllm_build import OLDER_RUNNER, why_not_loaded
from llmood.errors import EngineError, first_line

GIB = 1 << 30
MISREAD = "vLLM read another prompt than it was to: it has {} tokens of it, not {}"


@dataclass(frozen=True, slots=True)
class Loading:
    """How a model is loaded.

    Attributes:
        folder: its weights.
        adapters: LoRA adapters' folders, by role.
        modules: the last names of the modules that adapters change.
        rank: room for the adapters' ranks.
        max_tokens: the longest request, its answer with it.
        step_tokens: the most tokens of one step; their logits exist at once.
        eager: without compiling it, so that its states can be looked at.
        sees: whether it is a model of pictures and text.
        kv_cache_bytes: of the cache of keys and values; None: what the share of the GPU's memory leaves.
    """

    folder: Path
    adapters: Mapping[str, Path]
    modules: tuple[str, ...]
    rank: int
    dtype: str
    device: str
    max_tokens: int
    step_tokens: int
    kv_cache_bytes: int | None
    memory_share: float
    trust_remote_code: bool
    eager: bool = False
    sees: bool = False

    def arguments(self) -> dict[str, Any]:
        """What `vllm.LLM` is made with."""
        found: dict[str, Any] = {
            "model": str(self.folder),
            "dtype": self.dtype,
            "seed": 0,
            "generation_config": "vllm",  # the model's own sampling settings must not leak into "greedy"
            "skip_tokenizer_init": not self.sees,  # what makes a picture's places asks for it
            "max_model_len": self.max_tokens,
            "max_num_batched_tokens": self.step_tokens,
            "enforce_eager": self.eager or self.device == "cpu",
            "gpu_memory_utilization": self.memory_share,
            "trust_remote_code": self.trust_remote_code,
            "max_logprobs": -1,  # how many alternatives are kept is the spec's to say
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        if self.kv_cache_bytes is not None:
            found["kv_cache_memory_bytes"] = self.kv_cache_bytes
        if self.device == "cpu":
            # A prompt with a seed that is split over steps breaks vLLM's sampler there.
            found["enable_chunked_prefill"] = False
        if self.sees:
            # Nothing is kept of a picture: a run has as many as it has samples.
            found |= {"limit_mm_per_prompt": {"image": MOST_PICTURES}, "mm_processor_cache_gb": 0}
        if self.dtype != "float32":
            found["hf_overrides"] = {"head_dtype": "float32"}
        if self.adapters:
            found |= {
                "enable_lora": True,
                "max_loras": len(self.adapters) + 1,
                "max_lora_rank": self.rank,
                "lora_target_modules": list(self.modules),
            }
        return found


class VllmModel:
    """One loaded model, maybe with adapters. vLLM keeps one a process: another that is loaded is closed first."""

    _live: ClassVar[VllmModel | None] = None

    def __init__(self, loading: Loading) -> None:
        if VllmModel._live is not None:
            VllmModel._live.close()
        self.loading = loading
        self.closed = False
        # Of torch's and for its developers: a kernel language that a CPU hasn't, a name that vLLM touches in passing.
        logging.getLogger("torch._library.triton").setLevel(logging.ERROR)
        self._settings = ExitStack()  # vLLM asks for them as long as the model lives
        if loading.eager:
            self._settings.enter_context(_older_runner())
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`torch.distributed.reduce_op` is deprecated")
                self.llm: Any = LLM(**loading.arguments())
        except (RuntimeError, ValueError, OSError) as error:
            self._settings.close()
            reason, hint = why_not_loaded(str(error))
            raise EngineError(f"{loading.folder} can't be loaded by vLLM: {reason}", hint=hint) from error
        VllmModel._live = self
        self._adapters = {
            role: LoRARequest(role, number, str(folder))
            for number, (role, folder) in enumerate(loading.adapters.items(), start=1)
        }

    def add_adapters(self) -> dict[str, str]:
        """Load the adapters; those that vLLM refuses, with its reason."""
        refused = {}
        for role, request in self._adapters.items():
            try:
                self.llm.llm_engine.add_lora(request)
            except ValueError as error:
                refused[role] = first_line(error)
        return refused

    def token_logprobs(
        self, rows: Sequence[Sequence[int]], adapters: Sequence[str | None]
    ) -> list[NDArray[np.float32] | str]:
        """Log p(t_i | t_<i) for i = 1 … T−1 of each row, or why there are none. One token alone has none to give.

        Args:
            adapters: the role of each row's adapter; None: the model itself. They may be mixed.
        """
        settings = SamplingParams(
            max_tokens=1, temperature=0, prompt_logprobs=0, flat_logprobs=True, detokenize=False
        )
        asked = [index for index, row in enumerate(rows) if len(row) > 1]
        outputs = self.generate([rows[i] for i in asked], settings, [adapters[i] for i in asked])
        found: list[NDArray[np.float32] | str] = [np.zeros(0, np.float32) for _ in rows]
        for index, output in zip(asked, outputs, strict=True):
            found[index] = output if isinstance(output, str) else _own_logprobs(output, rows[index])
        return found

    def generate(
        self, rows: Sequence[Sequence[int]], settings: Any, adapters: Sequence[str | None]
    ) -> list[Any]:
        """VLLM's outputs of rows, under one setting or one each; of a row that it doesn't read as it is, a reason."""
        if not rows:
            return []
        requests = [self._adapters[role] if role is not None else None for role in adapters]
        try:
            outputs = self.llm.generate(
                [_prompt(row) for row in rows],
                settings,
                lora_request=requests if self._adapters else None,
                use_tqdm=False,
            )
        except (VLLMValidationError, ValueError) as error:
            if not any(isinstance(row, ShownRow) for row in rows):
                raise
            self.recover()
            if len(rows) == 1:
                return [f"vLLM refuses the picture: {first_line(error)}"]
            own = settings if isinstance(settings, list) else [settings] * len(rows)
            alone = zip(rows, own, adapters, strict=True)
            return [output for row, each, role in alone for output in self.generate([row], [each], [role])]
        return [_checked(output, row) for output, row in zip(outputs, rows, strict=True)]

    def recover(self) -> None:
        """After an error in a step: forget what is in flight, or the next call would wait for it for ever."""
        engine = self.llm.llm_engine
        engine.abort_request(list(engine.output_processor.request_states), internal=True)

    def close(self) -> None:
        """End the engine and free its memory."""
        if self.closed:
            return
        self.closed = True
        VllmModel._live = None
        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        self._settings.close()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _prompt(row: Sequence[int]) -> Any:
    if isinstance(row, ShownRow):
        return TokensPrompt(prompt_token_ids=list(row.sent), multi_modal_data={"image": list(row.images)})
    return TokensPrompt(prompt_token_ids=list(row))


def _checked(output: Any, row: Sequence[int]) -> Any:
    """An output, or why it isn't of this row."""
    read = list(output.prompt_token_ids)
    return output if read == list(row) else MISREAD.format(len(read), len(row))


def _own_logprobs(output: Any, row: Sequence[int]) -> NDArray[np.float32] | str:
    flat = output.prompt_logprobs
    if list(flat.token_ids) != list(row[1:]):
        return "vLLM gave log-probabilities of other tokens than it was sent"
    if output.num_cached_tokens:
        return "vLLM read log-probabilities from its prefix cache, where they are not kept"
    return np.asarray(flat.logprobs, dtype=np.float32)


@contextmanager
def _older_runner() -> Iterator[None]:
    """While it lasts, vLLM takes the runner whose inside `vllm_states` knows; then what a user had set."""
    before = os.environ.get(OLDER_RUNNER)
    os.environ[OLDER_RUNNER] = "0"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(OLDER_RUNNER, None)
        else:
            os.environ[OLDER_RUNNER] = before


def prepare(device: str) -> None:
    """Settings that vLLM reads from the environment; what a user has set there stays."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # in this process: nothing is left behind
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    if device == "cpu":
        # Without it the first call compiles a kernel that ranks tokens, which nobody reads, for seconds.
        os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
