"""Small pictures for a page: drawn anew from pixels, so that nothing else of a file comes along."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image

LONGEST, LEAST = 96, 2  # pixels of the longer side, and of the other
SHORT = 3_000  # bytes
WEBP = {"quality": 80, "method": 4}


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture as a data URL, and its sides in pixels."""

    url: str
    width: int
    height: int


def thumbnail(image: Image.Image) -> Thumbnail:
    """An RGB picture at `LONGEST` pixels, or as large as it is where that is less.

    PNG where that is short, as of a drawing, whose edges stay sharp; else WebP. The same pixels give the same text.
    """
    share = min(1.0, LONGEST / max(image.size))
    width, height = (max(LEAST, round(side * share)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    # From the bare pixels: a picture carries what its file said (profiles, comments, places), and savers write that.
    bare = Image.frombytes("RGB", small.size, small.tobytes())
    kind, data = "png", _saved(bare, "PNG", optimize=True)
    if len(data) > SHORT:
        kind, data = "webp", _saved(bare, "WEBP", **WEBP)
    return Thumbnail(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", *bare.size)


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
