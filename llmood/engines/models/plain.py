"""A model as transformers and peft alone run it: one text at a time, no batch, no padding, its own logits.

The second path of the canary. It shares no code with the engines beyond reading the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from llmood.engines.models.loading import attach, load_model, peft_name
from llmood.engines.processor import read_processor
from llmood.errors import EngineError
from llmood.picture_records import Picture
from llmood.tasks.images.cells import load_picture
from llmood.tasks.row_errors import RowError

Rows = Sequence[Sequence[int]]
OF_TOKENS = ("input_ids", "attention_mask", "mm_token_type_ids")


def plain_logprobs(
    folder: Path,
    adapters: Mapping[str, Path],
    rows: Mapping[str, Rows],
    pictures: Mapping[str, Sequence[Sequence[Picture]]],
    *,
    dtype: str,
    device: str,
    trust_remote_code: bool = False,
) -> dict[str, list[NDArray[np.float32]]]:
    """Log p(t_i | t_<i) for i = 1 … T−1 of each role's rows.

    Args:
        folder: full weights.
        adapters: peft adapters on them, by role.
        rows: by role; a role without an adapter is the weights themselves.
        pictures: by role, what is shown with each row; a role that is shown none may be missing.

    Raises:
        EngineError: the model can't be loaded, or the device is too small for it.
    """
    seen = {
        role: [
            _pixels(folder, each, trust=trust_remote_code) for each in pictures.get(role) or [()] * len(own)
        ]
        for role, own in rows.items()
    }
    try:
        model = load_model(folder, dtype=dtype, trust_remote_code=trust_remote_code).to(device).eval()
        found = {
            role: [_logprobs(model, row, each) for row, each in zip(own, seen[role], strict=True)]
            for role, own in rows.items()
            if role not in adapters
        }
        switched = {role: adapters[role] for role in rows if role in adapters}
        if switched:
            switch = attach(model, switched).to(device).eval()
            for role in switched:
                switch.set_adapter(peft_name(role), inference_mode=True)
                own = zip(rows[role], seen[role], strict=True)
                found[role] = [_logprobs(switch, row, each) for row, each in own]
    except torch.OutOfMemoryError:
        raise EngineError(f"{folder}: the device has too little memory to load it a second way") from None
    return found


def _pixels(folder: Path, pictures: Sequence[Picture], *, trust: bool) -> dict[str, torch.Tensor]:
    """What the model's own processor makes of pictures."""
    if not pictures:
        return {}
    processor = read_processor(folder, str(folder), trust=trust)
    images: list[Image.Image] = []
    for picture in pictures:
        try:
            images.append(load_picture(picture))
        except RowError as error:
            raise EngineError(str(error)) from None
    words = processor.image_token * len(images)
    found = processor(text=[words], images=[images], return_tensors="pt")
    return {name: value for name, value in found.items() if name not in OF_TOKENS}


def _logprobs(model: Any, row: Sequence[int], pixels: Mapping[str, torch.Tensor]) -> NDArray[np.float32]:
    with torch.inference_mode():
        ids = torch.tensor([list(row)], device=model.device)
        shown = {name: value.to(model.device) for name, value in pixels.items()}
        if "image_grid_thw" in shown:  # Qwen-VL's kind asks which ids stand for a picture
            shown["mm_token_type_ids"] = (ids == model.config.image_token_id).long()
        logits = model(input_ids=ids, use_cache=False, **shown).logits[0, :-1]
        logprobs = logits.float().log_softmax(dim=-1).gather(1, ids[0, 1:, None])[:, 0]
    found: NDArray[np.float32] = logprobs.cpu().numpy()
    return found
