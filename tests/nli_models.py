"""Natural-language-inference models with random weights, and stand-ins that answer by rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.tiny_models import save_tokenizer

LABELS = ("contradiction", "neutral", "entailment")


def save_cross_encoder(
    folder: Path, *, labels: tuple[str, ...] = LABELS, seed: int = 0, size: int = 32
) -> Path:
    """A DeBERTa of two layers that classifies pairs of texts, with the tokenizer of the tiny models."""
    import torch
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

    config = DebertaV2Config(
        vocab_size=300,
        hidden_size=size,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * size,
        max_position_embeddings=256,
        relative_attention=True,
        position_buckets=16,
        pos_att_type=["p2c", "c2p"],
        type_vocab_size=0,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = DebertaV2ForSequenceClassification(config)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def labelled(label: int) -> NDArray[np.float32]:
    """A verdict that leaves no doubt."""
    return np.eye(3, dtype=np.float32)[label]
