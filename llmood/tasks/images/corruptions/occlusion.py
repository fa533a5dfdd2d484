"""Something in front of it."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from llmood.tasks.images.corruptions.base import register, uniforms

GREY = (127, 127, 127)


@register("occlusion")
def occlusion(image: Image.Image, amount: float, generator: np.random.Generator) -> Image.Image:
    """A grey rectangle of the picture's shape over a share of its area.

    Where it stands is drawn for each picture; what a low grade covers, a high grade covers too.
    """
    # Placed at the share u of the room that is left, a growing rectangle holds each smaller one.
    shares = uniforms(generator, 2)
    covered = [max(1, round(side * math.sqrt(amount))) for side in image.size]
    left, top = (int(u * (side - size)) for u, side, size in zip(shares, image.size, covered, strict=True))
    out = image.copy()
    out.paste(GREY, (left, top, left + covered[0], top + covered[1]))
    return out
