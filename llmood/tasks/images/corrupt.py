"""Covariate shift of any picture: seeded corruptions in five grades, from the same draws at each grade."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageStat

from llmood.errors import ConfigError
from llmood.seeds import derive_generator
from llmood.tasks.corruptions.base import GRADES
from llmood.tasks.images.corruptions.base import IMAGE_CORRUPTIONS, ImageCorruption

__all__ = ["GRADES", "IMAGE_CORRUPTIONS", "ImageCorruption", "corrupt_image", "mean_distance"]


def corrupt_image(image: Image.Image, corruption: str, grade: int, *, seed: int, key: str) -> Image.Image:
    """The picture, corrupted; itself at grade 0.

    What is drawn depends on the seed, the corruption and the key alone, not on the grade: the noise of grade 5 is
    that of grade 1, and more.

    Args:
        image: an RGB picture.
        corruption: a name of `IMAGE_CORRUPTIONS`.
        grade: 1 (mildest) to 5, or 0.
        key: what the picture is of (a sample's id, and which of its pictures).

    Raises:
        ConfigError: there is no such corruption or grade.
    """
    found = IMAGE_CORRUPTIONS.get(corruption)
    if grade not in (0, *GRADES):
        raise ConfigError(
            f"no grade {grade} of '{corruption}'",
            hint=f"grades are {GRADES[0]} to {GRADES[-1]}, and 0 for the original",
        )
    if image.mode != "RGB":
        raise ValueError(f"an RGB picture is needed, not {image.mode}")
    if grade == 0:
        return image
    generator = derive_generator(seed, "corrupt image", corruption, key)
    return found.change(image, found.amounts[grade - 1], generator)


def mean_distance(image: Image.Image, other: Image.Image) -> float:
    """Mean |x − y| of two RGB pictures of one size; black to white is 1."""
    if image.size != other.size:
        raise ValueError(f"pictures of one size are needed, not {image.size} and {other.size}")
    means = ImageStat.Stat(ImageChops.difference(image, other)).mean
    return sum(means) / len(means) / 255
