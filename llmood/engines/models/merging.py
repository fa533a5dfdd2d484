"""An adapter added into its base's weights: the same model as full weights, for an engine that can't switch it on."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors import SafetensorError

from llmood.engines.folders import processor_files
from llmood.engines.models.loading import attach, load_model
from llmood.engines.tokenizer import tokenizer_files
from llmood.errors import StoreError


def merge(base: Path, adapter: Path, into: Path, *, dtype: str, trust_remote_code: bool = False) -> None:
    """Write W + scale · B A for every layer that the adapter changes, and all other weights as they are.

    Args:
        into: a folder that is made.
        dtype: in which the sum is made and written.

    Raises:
        EngineError: the adapter doesn't fit the base.
        StoreError: there is no room for it.
    """
    switch = attach(load_model(base, dtype=dtype, trust_remote_code=trust_remote_code), {"tuned": adapter})
    merged = switch.merge_and_unload(safe_merge=True)
    try:
        merged.save_pretrained(into, safe_serialization=True)
        for path in [*tokenizer_files(base), *processor_files(base)]:
            shutil.copy(path, into)
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{into}: the base with its adapter merged can't be written: {str(error).splitlines()[0]}",
            hint="make room there, or set LLMOOD_CACHE to a larger disk",
        ) from error
