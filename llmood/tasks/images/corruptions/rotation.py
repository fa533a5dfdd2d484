"""A camera held askew."""

from __future__ import annotations

import numpy as np
from PIL import Image

from llmood.tasks.images.corruptions.base import register, uniforms


@register("rotation", unit="°")
def rotation(image: Image.Image, amount: float, generator: np.random.Generator) -> Image.Image:
    """Turned by some degrees about its centre, within its frame; to the left or the right, as drawn.

    The corners that come free have the colour of most of its edge, so that they tell nothing.
    """
    angle = amount if uniforms(generator, 1)[0] < 0.5 else -amount
    return image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=_edge(image))


def _edge(image: Image.Image) -> tuple[int, ...]:
    """The median of the pixels along the edge, channel by channel."""
    width, height = image.size
    sides = (
        (0, 0, width, 1),
        (0, height - 1, width, height),
        (0, 0, 1, height),
        (width - 1, 0, width, height),
    )
    pixels = np.concatenate([np.asarray(image.crop(side)).reshape(-1, 3) for side in sides])
    return tuple(int(value) for value in np.median(pixels, axis=0))
