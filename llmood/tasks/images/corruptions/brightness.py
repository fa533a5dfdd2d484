"""Too much light, or too little."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageStat

from llmood.tasks.images.corruptions.base import register, uniforms


@register("brightness")
def brightness(image: Image.Image, amount: float, generator: np.random.Generator) -> Image.Image:
    """The same added to every value or taken from it: x ± amount · 255, cut off at black and white.

    Which of both is drawn for each picture, and the same at every grade: the brighter it is, the likelier it is
    darkened, so that a white page isn't left as it was.
    """
    mean = float(np.mean(ImageStat.Stat(image).mean)) / 255
    shift = amount * 255 * (-1 if uniforms(generator, 1)[0] < mean else 1)
    table = np.clip(np.rint(np.arange(256) + shift), 0, 255).astype(int)
    return image.point(table.tolist() * 3)
