"""A picture that somebody else made, read safely: RGB pixels within limits, or one line that says why not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from llmood.identity import DIGEST_HEX
from llmood.tasks.images.decode import decode
from llmood.tasks.images.limits import Limits
from llmood.tasks.images.sources import bytes_of

LIMITS = Limits()


def read_image(
    source: bytes | str | Path | Mapping[str, Any], *, folder: Path | None = None, limits: Limits = LIMITS
) -> Image.Image:
    """The picture as RGB pixels, upright and opaque; the same source gives the same pixels.

    Args:
        source: a file's bytes, a path, a data URL, or a hub's cell of `bytes` and `path`. What kind of file it is
            is read from its bytes, whatever its name says.
        folder: what a relative path is relative to; the working folder by default.

    Raises:
        RowError: there is no such file, or it is no picture within the limits.
    """
    return decode(bytes_of(source, folder or Path(), limits.max_bytes), limits)


def image_digest(image: Image.Image) -> str:
    """What a picture is called: the digest of its size and RGB pixels, however a file held them."""
    if image.mode != "RGB":
        raise ValueError(f"an RGB picture is needed, not {image.mode}")
    hashed = hashlib.sha256(f"RGB {image.width} {image.height}\n".encode())
    hashed.update(image.tobytes())
    return hashed.hexdigest()[:DIGEST_HEX]
