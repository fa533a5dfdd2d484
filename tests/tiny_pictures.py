"""Tiny models that see, of SmolVLM's and LLaVA's kinds, random, with their processors; no network is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tiny_models import SPECIAL, save_tokenizer

SIDE, PATCH, SCALE = 32, 8, 2
SEEN = (SIDE // PATCH // SCALE) ** 2
"""How many tokens stand for a picture, or for one of its tiles."""
TOKEN = "<image>"
PICTURE_SPECIAL = ("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>")
CONTEXT = 128
# As SmolVLM's own: of a turn whose content is no list of parts it shows nothing.
TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}:"
    "{% for part in m['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% elif part['type'] == 'image' %}<image>{% endif %}{% endfor %}<end_of_utterance>{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def save_pictured(
    folder: Path, *, seed: int = 0, split: bool = False, template: str | None = TEMPLATE, **text: Any
) -> Path:
    """A randomly initialised model with its processor.

    Args:
        split: whether a picture is cut into tiles, so that its size decides how many tokens it has.
        text: what its language model has otherwise than `text_config` says.
    """
    import torch
    from transformers import (
        AutoImageProcessor,
        AutoTokenizer,
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3Processor,
    )

    save_tokenizer(folder, prefix="", template=template)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    tokenizer.add_special_tokens({"additional_special_tokens": [*PICTURE_SPECIAL, *rows]})
    _write_image_processor(folder, split=split)
    processor = Idefics3Processor(
        AutoImageProcessor.from_pretrained(folder), tokenizer, image_seq_len=SEEN, chat_template=template
    )
    processor.save_pretrained(folder)
    config = Idefics3Config(
        text_config={"model_type": "llama", **text_config(len(tokenizer)), **text},
        vision_config=_VISION,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=SPECIAL.index("<pad>"),
        scale_factor=SCALE,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Idefics3ForConditionalGeneration(config)
        torch.nn.init.normal_(model.model.connector.modality_projection.proj.weight, std=0.25)
    model.save_pretrained(folder)
    return folder


def save_llava(folder: Path, *, seed: int = 0) -> Path:
    """A model of LLaVA 1.5's kind: one picture, always as many tokens."""
    import torch
    from transformers import (
        AutoImageProcessor,
        AutoTokenizer,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    save_tokenizer(folder, prefix="<s> ")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    values = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": SIDE},
        "crop_size": {"height": SIDE, "width": SIDE},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
    processor = LlavaProcessor(
        AutoImageProcessor.from_pretrained(folder),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    processor.save_pretrained(folder)
    config = LlavaConfig(
        text_config={"model_type": "llama", **text_config(len(tokenizer))},
        vision_config={"model_type": "clip_vision_model", "projection_dim": 32, **_VISION},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder


def text_config(vocabulary: int) -> dict[str, Any]:
    """What the language model of each has."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.25,
        "bos_token_id": SPECIAL.index("<s>"),
        "eos_token_id": SPECIAL.index("</s>"),
        "pad_token_id": SPECIAL.index("<pad>"),
    }


_VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": PATCH,
    "initializer_range": 0.25,
}


def _write_image_processor(folder: Path, *, split: bool) -> None:
    size = {"longest_edge": 2 * SIDE if split else SIDE}
    values: dict[str, Any] = {
        "image_processor_type": "Idefics3ImageProcessor",
        "do_image_splitting": split,
        "size": size,
        "max_image_size": {"longest_edge": SIDE},
        "do_pad": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")


def save_picture_adapter(folder: Path, base: Path, *, seed: int = 1, eye: bool = True) -> Path:
    """A LoRA adapter on the words' side, and on the eye's; its B is not zero."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(base)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if model.config.model_type.startswith("qwen"):
            targets = ["q_proj", "v_proj", *(["qkv"] if eye else [])]
        else:
            targets = ["q_proj", "v_proj"] if eye else r".*text_model.*\.(q_proj|v_proj)"
        tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=targets))
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    tuned.save_pretrained(folder)
    return folder
