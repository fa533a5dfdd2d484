"""Pictures of a run opened again, where a model is shown them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from llmood.picture_records import Picture
from llmood.tasks.images.cells import load_picture
from llmood.tasks.images.read import LIMITS
from llmood.tasks.row_errors import RowError


class UnreadableError(RowError):
    """A picture that could be read when the rows were, and can't be now."""


def load_all(pictures: Sequence[Picture]) -> list[Image.Image]:
    """Their pixels, all of them in memory.

    Raises:
        UnreadableError: a file is gone or another, or together they are too large.
    """
    found, pixels = [], 0
    for picture in pictures:
        try:
            found.append(load_picture(picture))
        except RowError as error:
            raise UnreadableError(str(error)) from error
        pixels += found[-1].width * found[-1].height
        if pixels > LIMITS.max_together:
            most = f"the {LIMITS.max_together:,} pixels of one sample that are read"
            raise UnreadableError(f"picture: {len(pictures)} together have more than {most}")
    return found
