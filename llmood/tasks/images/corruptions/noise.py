"""A sensor's noise in the dark."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.special import ndtri

from llmood.tasks.images.corruptions.base import register, uniforms

STRIP = 2**18  # values at a time, so that a large picture takes little more than itself


@register("noise")
def noise(image: Image.Image, amount: float, generator: np.random.Generator) -> Image.Image:
    """Normal noise on every value: x + amount · 255 · z, cut off at black and white.

    z is the same at every grade.
    """
    values = np.array(image).reshape(-1)
    for start in range(0, values.size, STRIP):
        strip = values[start : start + STRIP]
        noisy = strip + amount * 255 * ndtri(uniforms(generator, strip.size))
        values[start : start + STRIP] = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return Image.fromarray(values.reshape(image.height, image.width, 3))
