"""Fog, or a faded print."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageStat

from llmood.tasks.images.corruptions.base import register


@register("contrast")
def contrast(image: Image.Image, amount: float, _: np.random.Generator) -> Image.Image:
    """Each channel drawn towards its mean m: m + (1 − amount) · (x − m)."""
    levels = np.arange(256)
    tables = [mean + (1 - amount) * (levels - mean) for mean in ImageStat.Stat(image).mean]
    return image.point(np.rint(np.concatenate(tables)).astype(int).tolist())
