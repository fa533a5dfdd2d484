"""Small pictures: within their sides, like the picture, and with nothing of its file beside the pixels."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from llmood.tasks.images.read import read_image
from llmood.tasks.images.thumbnails import thumbnail
from tests.pictures import demo_pictures, saved, speckled


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((960, 480), (96, 48)),
        ((64, 64), (64, 64)),
        ((96, 97), (95, 96)),
        ((5000, 3), (96, 2)),
        ((2, 2), (2, 2)),
    ],
)
def test_its_sides(size: tuple[int, int], small: tuple[int, int]) -> None:
    found = thumbnail(Image.new("RGB", size, "teal"))
    assert (found.width, found.height) == opened(found.url).size == small
    assert read_image(found.url).size == small  # it can be read again


def test_a_drawing_stays_as_it_is_and_a_photograph_is_small() -> None:
    (drawing,) = demo_pictures(1)
    found = thumbnail(drawing)
    assert found.url.startswith("data:image/png;base64,")
    assert opened(found.url).convert("RGB").tobytes() == drawing.tobytes()
    # 27 KB of pixels that no PNG makes smaller.
    noisy = thumbnail(speckled(96, 96))
    assert noisy.url.startswith("data:image/webp;base64,")
    assert len(noisy.url) < 16_000


def test_it_looks_like_the_picture() -> None:
    left, right = Image.new("RGB", (400, 600), "red"), Image.new("RGB", (400, 600), "blue")
    both = Image.new("RGB", (800, 600))
    both.paste(left, (0, 0))
    both.paste(right, (400, 0))
    pixels = np.asarray(opened(thumbnail(both).url).convert("RGB")).astype(int)
    assert abs(pixels[:, :44] - (255, 0, 0)).max() < 12
    assert abs(pixels[:, 52:] - (0, 0, 255)).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_nothing_of_the_file_but_its_pixels(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    options = {"exif": exif, "icc_profile": b"secret profile " * 20}
    if kind == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", "secret comment")
    data = saved(speckled(40, 30), kind, **options)
    assert b"secret" in data
    url = thumbnail(read_image(data)).url
    assert b"secret" not in base64.b64decode(url.partition(",")[2])
    assert not {"exif", "icc_profile", "Comment"} & opened(url).info.keys()


def test_the_same_pixels_give_the_same_text() -> None:
    picture = speckled(300, 200)
    assert thumbnail(picture) == thumbnail(read_image(saved(picture, "PNG")))
