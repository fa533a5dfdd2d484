"""Tiny models that see, of SmolVLM's, LLaVA's and Qwen-VL's kinds, random, with their processors, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
        text: what its language model has otherwise than `_text` says.
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
        text_config={"model_type": "llama", **_text(len(tokenizer)), **text},
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
        text_config={"model_type": "llama", **_text(len(tokenizer))},
        vision_config={"model_type": "clip_vision_model", "projection_dim": 32, **_VISION},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder


def save_qwen(folder: Path, *, seed: int = 0, version: str = "2", **text: Any) -> Path:
    """A model of Qwen2-VL's kind: tokens by a picture's size, positions of its own.

    Its processor is written and not made: transformers does that with torchvision alone.

    Args:
        version: of the kind, as transformers' names have it: 2, 2_5 or 3.
        text: what its language model has otherwise than `_text` says.
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
    spoken = {key: value for key, value in _text(len(tokenizer)).items() if key != "head_dim"} | text
    config = getattr(transformers, f"{kind}Config")(
        text_config={**spoken, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}},
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


def text_of(kind: str) -> str:
    """What stands for a picture in a plain text."""
    return QWEN_TOKEN if kind.startswith("qwen") else TOKEN


def seen(kind: str, tokens: int) -> bool:
    """Whether a picture can have so many tokens: what its tiles have, or a token for each cell of its grid."""
    return tokens in (16, 8) if kind.startswith("qwen") else tokens % SEEN == 0


def _text(vocabulary: int) -> dict[str, Any]:
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


def plain_logprobs(
    folder: Path,
    text: str,
    images: Sequence[Image.Image],
    adapter: Path | None = None,
    *,
    special: bool = True,
) -> tuple[list[int], list[float]]:
    """Ids, and log p of tokens 2..T, by transformers and peft alone: one text, no llmood."""
    import torch

    ids, logits = plain_logits(folder, text, images, adapter, special=special)
    own = torch.from_numpy(logits).log_softmax(-1)[:-1].gather(1, torch.tensor(ids)[1:, None])[:, 0]
    return ids, own.tolist()


def plain_logits(
    folder: Path,
    text: str,
    images: Sequence[Image.Image],
    adapter: Path | None = None,
    *,
    special: bool = True,
) -> tuple[list[int], NDArray[np.float64]]:
    """Ids and logits (T, V), likewise."""
    import torch

    model, inputs, _ = _loaded(folder, text, images, adapter, special=special)
    with torch.no_grad():
        output = model(**inputs)
    return inputs["input_ids"][0].tolist(), output.logits[0].double().numpy()


def plain_answer(
    folder: Path, text: str, images: Sequence[Image.Image], adapter: Path | None = None, *, steps: int
) -> list[int]:
    """What `generate` answers, greedily, up to its end token, likewise."""
    import torch

    model, inputs, _ = _loaded(folder, text, images, adapter, special=True)
    with torch.no_grad():
        found = model.generate(**inputs, max_new_tokens=steps, do_sample=False)
    answer: list[int] = found[0, inputs["input_ids"].shape[1] :].tolist()
    return answer


def plain_states(
    folder: Path, text: str, images: Sequence[Image.Image], adapter: Path | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """Ids, every hidden state (layers, tokens, size), and the id of an image token, likewise.

    Of Qwen3-VL's kind those that go into each block: transformers' own lack what the eye adds behind one.
    """
    import torch

    model, inputs, image_id = _loaded(folder, text, images, adapter, special=True)
    given: list[torch.Tensor] = []
    for block in getattr(model.get_decoder(), "layers", ()):
        block.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    with torch.no_grad():
        output = model(**inputs, output_hidden_states=True)
    layers = list(output.hidden_states)
    if type(model.get_decoder()).__name__ == "Qwen3VLTextModel":
        layers[:-1] = given
    return inputs["input_ids"][0].numpy(), np.stack([layer[0].numpy() for layer in layers]), image_id


def _loaded(
    folder: Path, text: str, images: Sequence[Image.Image], adapter: Path | None, *, special: bool
) -> tuple[Any, Any, int]:
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    processor = plain_processor(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    model = (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()
    inputs = processor(text=[text], images=[list(images)], return_tensors="pt", add_special_tokens=special)
    return model, inputs, processor.image_token_id


def plain_processor(folder: Path) -> Any:
    """A folder's processor by transformers alone; Qwen-VL's without its part for videos, which wants torchvision."""
    import transformers
    from transformers.processing_utils import ProcessorMixin

    kind = json.loads((folder / "preprocessor_config.json").read_text()).get("processor_class", "")
    if not kind.startswith("Qwen"):
        return transformers.AutoProcessor.from_pretrained(folder)

    class Still(getattr(transformers, kind)):  # type: ignore[misc]
        def __init__(
            self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None
        ) -> None:
            self.image_token, self.video_token = QWEN_SPECIAL[2:]
            self.image_token_id, self.video_token_id = tokenizer.convert_tokens_to_ids(QWEN_SPECIAL[2:])
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    return Still.from_pretrained(folder)


def plain_eye(folder: Path, image: Image.Image, adapter: Path | None = None) -> NDArray[np.float32]:
    """What the eye's last layer makes of each patch of all tiles (patches, size), likewise."""
    import torch

    found: list[torch.Tensor] = []
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    model, inputs, _ = _loaded(folder, text_of(kind), [image], adapter, special=True)
    names = ("vision_model", "vision_tower", "visual")
    eye = next(module for name, module in model.named_modules() if name.endswith(names))
    handle = eye.register_forward_hook(lambda *given: found.append(given[-1].last_hidden_state))
    with torch.no_grad():
        model(**inputs)
    handle.remove()
    states = found[0] if kind.startswith("qwen") else found[0][:, -((SIDE // PATCH) ** 2) :]
    own: NDArray[np.float32] = states.reshape(-1, states.shape[-1]).numpy()
    return own
