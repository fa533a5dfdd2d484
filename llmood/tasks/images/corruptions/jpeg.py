"""A picture that was saved to be small."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from llmood.tasks.images.corruptions.base import register


@register("jpeg")
def jpeg(image: Image.Image, amount: float, _: np.random.Generator) -> Image.Image:
    """Compressed as JPEG, with half the resolution of colour, at the quality 100 · (1 − amount), and read again."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=max(1, round(100 * (1 - amount))), subsampling="4:2:0")
    with Image.open(file, formats=["JPEG"]) as read:
        return read.convert("RGB")
