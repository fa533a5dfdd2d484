"""A loaded encoder that makes one vector of a text.

Imported only when a model is to be loaded: this is where torch comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from transformers import AutoModel

from llmood.engines.models.loading import LOADING_ERRORS, load_checked
from llmood.errors import EngineError

BATCH = {"cpu": 32, "other": 256}  # texts of similar lengths, which the library sorts


class TextEncoder:
    """Vectors of length 1, so that products are cosines; how they are made is the folder's to say."""

    def __init__(self, folder: Path, *, dtype: str, device: str) -> None:
        what = "a sentence encoder"
        # The library would draw weights that are missing at random, and say so in a log.
        load_checked(AutoModel, folder, what=what, dtype=dtype)
        settings = {"dtype": getattr(torch, dtype), "use_safetensors": True}
        try:
            model = SentenceTransformer(
                str(folder), device=device, local_files_only=True, model_kwargs=settings
            )
        except LOADING_ERRORS as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EngineError(f"{folder} can't be loaded as {what}: {reason}") from error
        self._model: Any = model.eval()
        self._batch = BATCH.get(torch.device(device).type, BATCH["other"])

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Of each text (n, size), float32."""
        found = self._model.encode(
            list(texts),
            batch_size=self._batch,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(found, dtype=np.float32)
