"""A loaded encoder of pictures and of words that makes vectors of both in one space, as CLIP and SigLIP do.

Imported only when a model is to be loaded: this is where torch comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from llmood.engines.models.loading import LOADING_ERRORS, load_checked
from llmood.errors import EngineError, first_line
from llmood.tasks.row_errors import RowError

BATCH = {"cpu": 32, "other": 256}
OF_WORDS = ("input_ids", "attention_mask")
OF_PICTURES = "pixel_values"


class PictureEncoder:
    """Vectors of length 1, so that products are cosines.

    Args:
        max_length: the tokens of a text that are read. All texts are padded to it: SigLIP learned from texts of one
            length, and of one length a batch can't change what is made of a text.
    """

    def __init__(self, folder: Path, *, max_length: int, dtype: str, device: str) -> None:
        what = "an encoder of pictures and words"
        model = load_checked(AutoModel, folder, what=what, dtype=dtype)
        if not all(hasattr(model, f"get_{side}_features") for side in ("image", "text")):
            raise EngineError(
                f"{folder} can't be loaded as {what}: {type(model).__name__} has no space of both"
            )
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except LOADING_ERRORS as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EngineError(f"{folder} can't be loaded as {what}: {reason}") from error
        self._model: Any = model.to(device).eval()
        self._max_length = max_length
        self._batch = BATCH.get(torch.device(device).type, BATCH["other"])

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Of each text (n, size), float32."""
        return self._in_batches(texts, self._read)

    def pixels(self, image: Image.Image) -> torch.Tensor:
        """What it is shown of a picture, (1, channels, height, width).

        Raises:
            RowError: the processor refuses it.
        """
        try:
            # Alone: some processors pad pictures to the largest beside them.
            found = self._processor(images=[image], return_tensors="pt")
        except ValueError as error:
            first = first_line(error)
            raise RowError(f"picture: the encoder's processor refuses it: {first}") from error
        further = sorted({*found} - {OF_PICTURES})
        if further:
            raise EngineError(f"the encoder's processor gives {further[0]}, which is not known yet")
        pixels: torch.Tensor = found[OF_PICTURES]
        return pixels

    def seen(self, pixels: Sequence[torch.Tensor]) -> NDArray[np.float32]:
        """Of each picture (n, size), likewise."""
        return self._in_batches(pixels, self._see)

    def _read(self, texts: Sequence[str]) -> Any:
        found = self._tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=self._max_length,
            return_tensors="pt",
        )
        given = {name: found[name].to(self._model.device) for name in OF_WORDS if name in found}
        return self._model.get_text_features(**given).pooler_output

    def _see(self, pixels: Sequence[torch.Tensor]) -> Any:
        given = {OF_PICTURES: torch.cat(list(pixels)).to(self._model.device, self._model.dtype)}
        return self._model.get_image_features(**given).pooler_output

    def _in_batches(self, items: Sequence[Any], make: Callable[[Sequence[Any]], Any]) -> NDArray[np.float32]:
        starts = range(0, len(items), self._batch)
        with torch.inference_mode():
            parts = [make(items[start : start + self._batch]).float() for start in starts]
            found = torch.cat(parts) if parts else torch.zeros((0, 0))
            values: NDArray[np.float32] = torch.nn.functional.normalize(found, dim=-1).cpu().numpy()
        return values
