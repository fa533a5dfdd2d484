"""A loaded language model, made ready for a pass: its adapter switched, the rows laid out, the first picture tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from transformers import GenerationConfig

from llmood.engines.models.checked import checked_head, checked_packing
from llmood.engines.models.layout import Layout, packed, padded
from llmood.engines.models.loading import attach, load_model, peft_name
from llmood.engines.models.memory import keep_freed_memory
from llmood.engines.models.pixels import Pixels, joined, laid_out
from llmood.engines.models.seeing import HEADLESS, check_causal
from llmood.errors import EngineError

TOLERANCE = 1e-4  # what a float32 log-probability may differ by between two right ways to make it
HALF_TOLERANCE = 0.1  # and one in half precision, whose rounding depends on the batch


class LoadedModel:
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
        if self.device.type == "cpu":
            keep_freed_memory()
        model = load_model(folder, dtype=dtype, trust_remote_code=trust_remote_code)
        self._switch: Any = None
        if adapters:
            self._switch = attach(model, adapters)
            model = self._switch.get_base_model()
        self.model: Any = model.to(self.device).eval()
        # The model's own generation settings (sampling, penalties, minimum lengths) must not leak into "greedy".
        self.model.generation_config = GenerationConfig()
        self._head = checked_head(self.model, self._few_ids, tolerance=self._tolerance)
        self._packing = checked_packing(self.model, self._head, self._few_ids, tolerance=self._tolerance)
        self._is_causal = False  # with a picture, once that was tried

    @contextmanager
    def _laid_out(
        self, rows: Sequence[Sequence[int]], adapter: str | None, pixels: Sequence[Pixels] | None
    ) -> Iterator[Layout]:
        """Rows as one pass sees them, while the model is ready for it: behind each other where that is proved right.

        Rows that are shown something lie side by side.
        """
        with torch.inference_mode(), self._adapted(adapter):
            if pixels:
                self._check_seeing(rows[0], pixels[0])
                yield laid_out(self.model, rows, joined(pixels) or {}).on(self.device)
            elif self._packing is None:
                yield padded(rows).on(self.device)
            else:
                with self._packing.on():
                    yield packed(rows).on(self.device)

    def _check_seeing(self, row: Sequence[int], pixels: Pixels) -> None:
        if self._head is None:
            raise EngineError(HEADLESS)
        if not self._is_causal:
            check_causal(self.model, self._head, row, pixels, self._tolerance)
            self._is_causal = True

    @property
    def _few_ids(self) -> list[int]:
        return list(range(min(8, int(self.model.config.get_text_config().vocab_size))))

    @property
    def _tolerance(self) -> float:
        return TOLERANCE if self.model.dtype == torch.float32 else HALF_TOLERANCE

    def _adapted(self, adapter: str | None) -> AbstractContextManager[Any]:
        if self._switch is None:
            return nullcontext()
        if adapter is None:
            return cast("AbstractContextManager[Any]", self._switch.disable_adapter())
        self._switch.set_adapter(peft_name(adapter), inference_mode=True)
        return nullcontext()
