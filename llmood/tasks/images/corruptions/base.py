"""What every corruption of pictures has: a name, a sentence, an amount for each grade, and a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from llmood.registry import Registry
from llmood.tasks.corruptions.base import GRADES

# How much is done at the grades 1 to 5. Lengths are shares of the picture, so that a thumbnail and a photograph
# suffer alike.
AMOUNTS: Mapping[str, tuple[float, ...]] = {
    "noise": (0.04, 0.08, 0.15, 0.25, 0.40),  # standard deviation, black to white being 1
    "blur": (0.008, 0.015, 0.03, 0.05, 0.08),  # radius, of the shorter side
    "brightness": (0.10, 0.20, 0.30, 0.40, 0.55),  # what is added or taken, black to white being 1
    "contrast": (0.20, 0.40, 0.60, 0.75, 0.90),  # of each value's distance from the mean that is lost
    "jpeg": (0.60, 0.75, 0.85, 0.92, 0.97),  # of the quality that is lost
    "pixelate": (0.40, 0.60, 0.75, 0.85, 0.90),  # of the pixels of a row, and of a column, that are lost
    "occlusion": (0.05, 0.10, 0.20, 0.35, 0.50),  # of the area
    "rotation": (4.0, 8.0, 15.0, 25.0, 40.0),  # degrees
}

# (picture, amount, generator) → the corrupted picture. The generator starts from the same state at every grade.
Change = Callable[[Image.Image, float, np.random.Generator], Image.Image]


@dataclass(frozen=True, slots=True)
class ImageCorruption:
    """One way to spoil a picture; the right answer about it stays the right answer.

    Attributes:
        summary: one line, for lists of corruptions.
        amounts: how much of it each grade has; rising.
        change: a pure function of RGB pictures; the size stays.
        unit: of the amounts, for lists; without one they are shares.
    """

    name: str
    summary: str
    amounts: tuple[float, ...]
    change: Change
    unit: str = ""

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in zip(self.amounts, self.amounts[1:], strict=False))
        if len(self.amounts) != len(GRADES) or not rising or self.amounts[0] <= 0:
            raise ValueError(f"{self.name}: {len(GRADES)} rising amounts above 0 are needed")

    @property
    def shown(self) -> tuple[str, ...]:
        """The amounts, for people."""
        return tuple(f"{each:g}{self.unit}" if self.unit else f"{100 * each:g}%" for each in self.amounts)


IMAGE_CORRUPTIONS: Registry[ImageCorruption] = Registry(
    "corruption of pictures", "llmood.tasks.images.corruptions", "llmood.image_corruptions"
)


def register(
    name: str, amounts: tuple[float, ...] | None = None, unit: str = ""
) -> Callable[[Change], Change]:
    """List a function as a corruption of pictures; its docstring's first line is the summary.

    Args:
        amounts: those of `AMOUNTS` by default.
        unit: see `ImageCorruption`.
    """

    def decorate(change: Change) -> Change:
        summary = (change.__doc__ or "").strip().partition("\n")[0]
        graded = AMOUNTS[name] if amounts is None else amounts
        IMAGE_CORRUPTIONS.add(name, ImageCorruption(name, summary, graded, change, unit))
        return change

    return decorate


def uniforms(generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    """The next numbers within (0, 1)."""
    # NumPy promises that raw bits stay the same from version to version; of its distributions it doesn't.
    raw = np.asarray(generator.bit_generator.random_raw(count), dtype=np.uint64)
    return ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
