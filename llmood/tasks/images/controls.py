"""What stands in for a picture, to see whether a model looks at it: nothing, noise, or another sample's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image

from llmood.seeds import derive_generator, derive_seed

GREY = (127, 127, 127)


def blank_image(size: tuple[int, int]) -> Image.Image:
    """Plain grey: halfway between black and white, where most processors have their zero."""
    return Image.new("RGB", size, GREY)


def noise_image(size: tuple[int, int], *, seed: int, key: str) -> Image.Image:
    """Every value drawn by itself, each as likely as any other.

    Args:
        key: what it stands in for (a sample's id, and which of its pictures).
    """
    width, height = size
    count = width * height * 3
    generator = derive_generator(seed, "noise image", key)
    raw = np.asarray(generator.bit_generator.random_raw(-(-count // 8)), dtype="<u8")  # eight values each
    return Image.fromarray(raw.view(np.uint8)[:count].reshape(height, width, 3))


def other_image(size: tuple[int, int], other: Image.Image) -> Image.Image:
    """Another sample's picture at this one's size, so that a model has as many tokens of it."""
    return other if other.size == size else other.resize(size, Image.Resampling.BICUBIC)


def partners(keys: Sequence[str], digests: Sequence[str], *, seed: int) -> list[int | None]:
    """For each sample the place of another one whose picture it is shown, each taken once.

    None where there is none left that differs: more than half of all samples show the same picture.

    Args:
        keys: the samples' ids; who is whose partner doesn't depend on the order that they come in.
        digests: what picture each sample shows; several may show the same one.
    """
    # Equal pictures stand side by side, in a drawn order. A step as long as the longest row of equals leaves each
    # row, and meets it again only where it is more than half of the circle.
    samples = list(zip(keys, digests, strict=True))
    order = sorted(range(len(samples)), key=lambda i: (derive_seed(seed, "partner", digests[i]), samples[i]))
    step = max(Counter(digests).values(), default=0)
    found: list[int | None] = [None] * len(samples)
    for place, i in enumerate(order):
        other = order[(place + step) % len(order)]
        found[i] = other if digests[other] != digests[i] else None
    return found
