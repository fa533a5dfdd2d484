"""Llamas of random weights with a LoRA adapter and a tokenizer of numbered words: any size, no download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BEGIN, END, PAD = 0, 1, 2
RANK = 8


@dataclass(frozen=True)
class Shape:
    """A Llama's sizes."""

    hidden: int
    layers: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int
    context: int = 512

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """A layer's matrices, inputs and outputs."""
        keys = self.hidden // self.heads * self.kv_heads
        square, mlp = (self.hidden, self.hidden), (self.hidden, self.intermediate)
        return [square, (self.hidden, keys), (self.hidden, keys), square, mlp, mlp, mlp[::-1]]

    @property
    def parameters(self) -> int:
        """Of all matrices with the head's; the input embedding multiplies nothing."""
        return self.layers * sum(a * b for a, b in self.matrices) + self.hidden * self.vocabulary


# Layers as wide as those of a Llama of a billion (TinyLlama's), two of them.
HUNDRED_MILLION = Shape(2048, 2, 5632, 32, 4, 8192)
# As many parameters in twelve narrow layers: more of the time goes to what is no matrix product.
NARROW = Shape(768, 12, 2048, 12, 12, 32_000)
EIGHT_BILLION = Shape(4096, 32, 14_336, 32, 8, 128_256)
TINY = Shape(64, 2, 176, 4, 4, 1000)


@dataclass(frozen=True)
class Folders:
    """Where a model is."""

    base: Path
    adapter: Path


def save(folder: Path, shape: Shape, *, dtype: str = "float32", device: str = "cpu") -> Folders:
    """A base model with its tokenizer, and an adapter on q and v that makes a difference."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    found = Folders(folder / "base", folder / "adapter")
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=False,
        bos_token_id=BEGIN,
        eos_token_id=END,
        pad_token_id=PAD,
        dtype=dtype,
    )
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        torch.set_default_dtype(getattr(torch, dtype))
        try:
            model = LlamaForCausalLM(config)
        finally:
            torch.set_default_dtype(torch.float32)
        model.save_pretrained(found.base)
        # B is not zero, as it would be before any training.
        lora = LoraConfig(r=RANK, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        get_peft_model(model, lora).save_pretrained(found.adapter)
    del model
    if device == "cuda":
        torch.cuda.empty_cache()
    _save_tokenizer(found.base, shape.vocabulary)
    return found


def texts(shape: Shape, prompts: int, words: int, *, seed: int = 0) -> list[str]:
    """Texts of so many random words each, a token each."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(PAD + 1, shape.vocabulary, size=(prompts, words))
    return [" ".join(f"w{index}" for index in row) for row in ids]


def token_ids(texts: list[str]) -> list[tuple[int, ...]]:
    """What the tokenizer makes of texts, behind the begin token."""
    return [(BEGIN, *(int(word[1:]) for word in text.split())) for text in texts]


def _save_tokenizer(folder: Path, vocabulary: int) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = {"<s>": BEGIN, "</s>": END, "<pad>": PAD}
    words = names | {f"w{index}": index for index in range(len(names), vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(vocab=words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    wrapped: Any = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    wrapped.save_pretrained(folder)
