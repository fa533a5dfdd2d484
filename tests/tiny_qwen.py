"""Tiny models of Qwen-VL's kind, and the makers of a model of each kind that sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import save_tokenizer
from tests.tiny_pictures import (
    PATCH,
    SCALE,
    SEEN,
    SIDE,
    TEMPLATE,
    TOKEN,
    save_llava,
    save_pictured,
    text_config,
)


def save_qwen(folder: Path, *, seed: int = 0, version: str = "2", **text: Any) -> Path:
    """A model of Qwen2-VL's kind: tokens by a picture's size, positions of its own.

    Its processor is written and not made: transformers does that with torchvision alone.

    Args:
        version: of the kind, as transformers' names have it: 2, 2_5 or 3.
        text: what its language model has otherwise than `text_config` says.
    """
    import torch
    import transformers
    from transformers import AutoTokenizer

    save_tokenizer(folder, prefix="", template=QWEN_TEMPLATE)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": list(QWEN_SPECIAL)})
    tokenizer.save_pretrained(folder)
    values = {
        "processor_class": f"Qwen{version}{'_' if '_' in version else ''}VLProcessor",
        "image_processor_type": "Qwen2VLImageProcessor",
        "min_pixels": SIDE**2,
        "max_pixels": (2 * SIDE) ** 2,
        "patch_size": PATCH,
        "merge_size": SCALE,
        "temporal_patch_size": 2,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
    kind = values["processor_class"].removesuffix("Processor")
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    spoken = text_config(len(tokenizer)) | text
    if version != "3":
        del spoken["head_dim"]  # theirs is always the size by the heads
    config = getattr(transformers, f"{kind}Config")(
        text_config={**spoken, "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1]}},
        vision_config={
            **_QWEN_EYES[version],
            "depth": 2,
            "num_heads": 4,
            "patch_size": PATCH,
            "spatial_merge_size": SCALE,
            "temporal_patch_size": 2,
            "initializer_range": 0.25,
        },
        **dict(zip(names, tokenizer.convert_tokens_to_ids(list(QWEN_SPECIAL)), strict=True)),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        getattr(transformers, f"{kind}ForConditionalGeneration")(config).save_pretrained(folder)
    return folder


QWEN_SPECIAL = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_TOKEN = "<|vision_start|><|image_pad|><|vision_end|>"
QWEN_TEMPLATE = TEMPLATE.replace(TOKEN, QWEN_TOKEN).replace("<end_of_utterance>", "</s>")
# The eye of 2.5 looks at windows of two by two tokens in its first block, and at all of a picture in its second.
_QWEN_EYES: dict[str, dict[str, Any]] = {
    "2": {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2},
    "2_5": {
        "hidden_size": 32,
        "out_hidden_size": 32,
        "intermediate_size": 48,
        "window_size": 2 * SCALE * PATCH,
        "fullatt_block_indexes": [1],
    },
    "3": {
        "hidden_size": 32,
        "out_hidden_size": 32,
        "intermediate_size": 48,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    },
}


KINDS: dict[str, Callable[[Path], Path]] = {
    "whole": save_pictured,
    "tiles": partial(save_pictured, split=True),
    "llava": save_llava,
    "qwen2": save_qwen,
    "qwen2_5": partial(save_qwen, version="2_5"),
    "qwen3": partial(save_qwen, version="3"),
}
"""Makers of a model of each kind, in a folder."""
ALIKE = ("llava", "qwen2_5", "qwen3")  # they go the way of another kind, and take as long
EACH_KIND = [pytest.param(kind, marks=[pytest.mark.slow] if kind in ALIKE else []) for kind in KINDS]
"""The same, as parameters."""
EACH_VERSION = ["2", *(pytest.param(version, marks=pytest.mark.slow) for version in ("2_5", "3"))]
"""Those of Qwen-VL."""


def text_of(kind: str) -> str:
    """What stands for a picture in a plain text."""
    return QWEN_TOKEN if kind.startswith("qwen") else TOKEN


def seen(kind: str, tokens: int) -> bool:
    """Whether a picture can have so many tokens: what its tiles have, or a token for each cell of its grid."""
    return tokens in (16, 8) if kind.startswith("qwen") else tokens % SEEN == 0
