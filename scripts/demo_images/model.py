"""The image–text model: an Idefics3 with a Llama as its text side, and the processor that shows it pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from demo_world.train import make_tokenizer
from transformers import (
    AutoImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

from demo_images.draw import SIDE
from demo_images.scenes import SEED

PATCH, SCALE, CONTEXT = 8, 2, 128
IMAGE_TOKENS = (SIDE // PATCH // SCALE) ** 2
SPECIAL = ("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>")
HEAD = 32  # dimensions of an attention head: what vLLM's attention on a CPU takes


def make_processor(texts: Iterator[tuple[str, str]], folder: Path) -> Idefics3Processor:
    """Tokenizer and image processor, stored in `folder`; a picture is neither cut into tiles nor resized."""
    tokenizer: PreTrainedTokenizerFast = make_tokenizer(texts)
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "image_processor_type": "Idefics3ImageProcessor",
        "do_image_splitting": False,
        "size": {"longest_edge": SIDE},
        "max_image_size": {"longest_edge": SIDE},
        "do_pad": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8", newline="\n")
    pixels = AutoImageProcessor.from_pretrained(folder)
    processor = Idefics3Processor(pixels, tokenizer, image_seq_len=IMAGE_TOKENS)
    processor.save_pretrained(folder)
    return processor


def make_base(tokenizer: Any) -> Idefics3ForConditionalGeneration:
    """About two and a half million weights, freshly initialised."""
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 128 // HEAD,
        "num_key_value_heads": 128 // HEAD,
        "head_dim": HEAD,
        "max_position_embeddings": CONTEXT,
        **special,
    }
    vision = {
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 3,
        "num_attention_heads": 128 // HEAD,
        "image_size": SIDE,
        "patch_size": PATCH,
    }
    config = Idefics3Config(
        text_config=text,
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=SCALE,
        tie_word_embeddings=False,
        **special,
    )
    torch.manual_seed(SEED)
    return Idefics3ForConditionalGeneration(config)


def load_base(folder: Path) -> Idefics3ForConditionalGeneration:
    """The stored base in float32, ready to score."""
    return Idefics3ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
