"""A lens out of focus."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from llmood.tasks.images.corruptions.base import register


@register("blur")
def blur(image: Image.Image, amount: float, _: np.random.Generator) -> Image.Image:
    """Gaussian blur, its radius a share of the shorter side."""
    return image.filter(ImageFilter.GaussianBlur(amount * min(image.size)))
