"""Pictures and picture files made for tests; the repository holds none."""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def demo_module(name: str) -> ModuleType:
    """A module of `scripts/demo_images`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        return importlib.import_module(f"demo_images.{name}")


@cache
def demo_pictures(count: int) -> tuple[Image.Image, ...]:
    """The first pictures of each split of the demo's, taken in turn."""
    scenes, draw = demo_module("scenes"), demo_module("draw")
    splits = list(scenes.make_splits().values())
    rows = [splits[i % len(splits)][i // len(splits)] for i in range(count)]
    return tuple(draw.draw(row.picture) for row in rows)


def speckled(width: int, height: int, seed: int = 0) -> Image.Image:
    """Every value drawn by itself: no two pixels are alike, so that a turned picture is another one."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG put together by hand: rows without their filter bytes, further chunks before the pixels."""
    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def claiming(kind: str, width: int, height: int) -> bytes:
    """A file of some hundred bytes whose head claims a size."""
    if kind == "PNG":
        return png(width, height, 8, 2, b"\0" * height)
    data = bytearray(saved(speckled(9, 7), kind, **({"lossless": True} if kind == "WEBP" else {})))
    if kind == "JPEG":
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", height, width)
    elif kind == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    elif kind == "WEBP":
        place = data.index(b"VP8L") + 9
        (bits,) = struct.unpack_from("<I", data, place)
        struct.pack_into("<I", data, place, bits >> 28 << 28 | (height - 1) << 14 | (width - 1))
    elif kind == "TIFF":
        for tag, value in ((256, width), (257, height)):
            place = data.index(struct.pack("<H", tag), struct.unpack_from("<I", data, 4)[0])
            struct.pack_into("<HII", data, place + 2, 4, 1, value)
    return bytes(data)
