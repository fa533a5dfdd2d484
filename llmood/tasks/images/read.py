"""A picture that somebody else made, read safely: RGB pixels within limits, or one line that says why not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from llmood.identity import DIGEST_HEX
from llmood.picture_records import ArchiveMember
from llmood.tasks.images.decode import decode
from llmood.tasks.images.limits import Limits
from llmood.tasks.images.sources import bytes_of

LIMITS = Limits()
REMEMBERED = 100_000  # digests, of some 200 bytes each with what they are of
_digests: dict[bytes, str] = {}


def read_image(
    source: bytes | str | Path | ArchiveMember | Mapping[str, Any],
    *,
    folder: Path | None = None,
    limits: Limits = LIMITS,
) -> Image.Image:
    """The picture as RGB pixels, upright and opaque; the same source gives the same pixels.

    Args:
        source: a file's bytes, a path, an archive's member, a data URL, or a hub's cell of `bytes` and `path`. What
            kind of file it is is read from its bytes, whatever its name says.
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


def digest_of_file(data: bytes) -> str:
    """What the picture in a file's bytes is called; the same bytes are decoded once a process.

    Raises:
        RowError: it is no picture within the limits.
    """
    key = hashlib.sha256(data).digest()
    known = _digests.get(key)
    if known is None:
        if len(_digests) >= REMEMBERED:
            _digests.clear()
        known = _digests[key] = image_digest(decode(data, LIMITS))
    return known
