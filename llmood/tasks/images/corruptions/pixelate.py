"""A picture that was small and is shown large."""

from __future__ import annotations

import numpy as np
from PIL import Image

from llmood.tasks.images.corruptions.base import register


@register("pixelate")
def pixelate(image: Image.Image, amount: float, _: np.random.Generator) -> Image.Image:
    """Means of blocks: shrunk to 1 − amount of each side, and put back to its size in squares."""
    width, height = (max(1, round(side * (1 - amount))) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)
