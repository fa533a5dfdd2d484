"""What transformers and peft alone say of one text and its pictures: the truth for engines, without llmood."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.tiny_pictures import PATCH, SIDE
from tests.tiny_qwen import QWEN_SPECIAL, text_of


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
