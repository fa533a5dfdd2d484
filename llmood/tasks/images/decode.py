"""From a file's bytes to upright, opaque RGB pixels, within limits."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, UnidentifiedImageError

from llmood.tasks.images.limits import Limits
from llmood.tasks.row_errors import RowError

# Enough for every data set that is known here; each further decoder is one more that hostile bytes reach.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")

# What Pillow's decoders raise at bytes that are not as they should be.
BROKEN = (OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, struct.error, zlib.error)

ORIENTATION = 0x0112  # EXIF's tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, limits: Limits) -> Image.Image:
    """The one picture that a file holds.

    Raises:
        RowError: it isn't one of `FORMATS`, is damaged, too large, too small, or has several frames.
    """
    with warnings.catch_warnings():
        # Of metadata that don't matter here, and of sizes that are refused below.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image.width, image.height, limits)
                if _has_frames(image):
                    raise RowError("picture: has several frames; save the one that is meant")
                image.load()
                return _upright(_rgb(image), _orientation(image))
        except Image.DecompressionBombError:  # Pillow's own limit, found before ours can be
            raise RowError(f"picture: has more than the {limits.max_pixels:,} pixels that are read") from None
        except UnidentifiedImageError:
            raise RowError(f"picture: is no file of {', '.join(FORMATS)} that can be read") from None
        except BROKEN as error:
            said = " ".join(str(error).split())[:100]
            raise RowError(f"picture: can't be decoded: {said or type(error).__name__}") from None


def _check_size(width: int, height: int, limits: Limits) -> None:
    size = f"picture: is {width:,} × {height:,} pixels"
    if min(width, height) < limits.min_side:
        raise RowError(f"{size}, and shows nothing")
    if max(width, height) > limits.max_side:
        raise RowError(f"{size}, longer than the {limits.max_side:,} that are read")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise RowError(f"{size}, more than {limits.max_aspect} times as long as wide")
    if width * height > limits.max_pixels:
        raise RowError(f"{size}, more than the {limits.max_pixels:,} that are read")


def _has_frames(image: Image.Image) -> bool:
    if image.format == "MPO":  # a camera's JPEG, with a small copy or a second eye after the picture
        return False
    if image.format == "TIFF":  # asked for its number of pages, Pillow walks through millions of them
        try:
            image.seek(1)
        except EOFError:
            return False
        return True
    return bool(getattr(image, "is_animated", False))


def _rgb(image: Image.Image) -> Image.Image:
    """Opaque RGB: on white where it is transparent, the high byte where it has 16 bits."""
    if image.mode.startswith("I;16"):  # Pillow would cut off all that is above 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        raise RowError(
            "picture: has 32-bit values, and doesn't say which of them is white; save it in 8 bits"
        )
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(layer, mask=layer.getchannel("A"))
    return paper


def _orientation(image: Image.Image) -> int:
    """How the camera was held; 1 where that can't be read, as a viewer has it."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except BROKEN:
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)
