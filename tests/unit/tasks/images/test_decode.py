"""Files of every kind, and hostile ones, all made here."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from llmood.tasks.images.decode import FORMATS, decode
from llmood.tasks.images.limits import Limits
from llmood.tasks.row_errors import RowError
from tests.pictures import claiming, png, saved, speckled

LIMITS = Limits()
PICTURE = speckled(17, 12)
LOSSLESS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {"lossless": True}),
]
LOSSY: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {"quality": 95}),
    ("JPEG", {"progressive": True}),
    ("GIF", {}),
    ("WEBP", {"quality": 95}),
]


def pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = decode(data, LIMITS)
    assert image.mode == "RGB"
    return np.asarray(image)


def refused(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(RowError) as caught:
        decode(data, limits)
    reason = str(caught.value)
    assert reason.startswith("picture: ")
    assert "\n" not in reason
    assert len(reason) < 160
    return reason


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_what_a_lossless_file_holds(kind: str, options: dict[str, Any]) -> None:
    assert np.array_equal(pixels(saved(PICTURE, kind, **options)), np.asarray(PICTURE))


@pytest.mark.parametrize(("kind", "options"), LOSSY)
def test_a_lossy_file_keeps_its_size(kind: str, options: dict[str, Any]) -> None:
    assert pixels(saved(PICTURE, kind, **options)).shape == (12, 17, 3)


@pytest.mark.parametrize(("kind", "options"), LOSSLESS + LOSSY)
def test_a_truncated_file_is_refused_or_lacks_nothing_that_is_seen(
    kind: str, options: dict[str, Any]
) -> None:
    data = saved(PICTURE, kind, **options)
    whole = decode(data, LIMITS).tobytes()
    refusals = 0
    for length in range(len(data)):
        try:
            assert decode(data[:length], LIMITS).tobytes() == whole
        except RowError:
            refusals += 1
    assert refusals >= len(data) - 20  # PNG's last two checksums and its end, GIF's end, BMP's padding


@pytest.mark.parametrize(("kind", "options"), LOSSLESS + LOSSY)
def test_spoilt_bytes_are_a_picture_or_a_reason(
    kind: str, options: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    whole = saved(PICTURE, kind, **options)
    generator = np.random.default_rng(len(whole))
    reasons = []
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(generator.integers(1, 5)):
            data[generator.integers(len(data) if generator.random() < 0.5 else 60)] = generator.integers(256)
        try:
            assert decode(bytes(data), LIMITS).mode == "RGB"
        except RowError as error:
            reasons.append(str(error))
    assert reasons
    assert all("\n" not in reason for reason in reasons)
    capfd.readouterr()  # libtiff's own complaints


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_picture_stands_upright(kind: str, turn: int) -> None:
    # EXIF: which side of what is seen the file's first row and first column are.
    seen = np.asarray(PICTURE)
    stored = {
        1: seen,
        2: seen[:, ::-1],
        3: seen[::-1, ::-1],
        4: seen[::-1],
        5: seen.transpose(1, 0, 2),
        6: np.rot90(seen, 1),
        7: seen[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(seen, -1),
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"lossless": True} if kind == "WEBP" else {}
    image = Image.fromarray(np.ascontiguousarray(stored))
    assert np.array_equal(pixels(saved(image, kind, exif=exif, **options)), seen)


def test_unreadable_exif_leaves_a_picture_as_it_is_stored() -> None:
    data = saved(PICTURE, "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken")
    assert np.array_equal(pixels(data), np.asarray(PICTURE))


def test_sixteen_bits_keep_their_high_byte() -> None:
    grey = np.array([[0, 255, 256], [32767, 40000, 65535]], dtype=np.uint16)
    expected = np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
    assert expected[0, 2, 0] == 1
    for data in (png(3, 2, 16, 0, grey.astype(">u2").tobytes()), saved(Image.fromarray(grey), "TIFF")):
        assert np.array_equal(pixels(data), expected)
    colour = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=2)
    assert np.array_equal(pixels(png(3, 2, 16, 2, colour.astype(">u2").tobytes())), colour >> 8)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_values_without_a_white_are_refused(mode: str) -> None:
    assert "32-bit values" in refused(saved(PICTURE.convert("L").convert(mode), "TIFF"))


def test_cmyk_becomes_rgb() -> None:
    # No ink is white, all of the first ink is cyan, all of black is black.
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0]], [[0, 0, 0, 255], [0, 0, 255, 0]]], dtype=np.uint8)
    image = Image.frombytes("CMYK", (2, 2), inks.tobytes())
    expected = [[[255, 255, 255], [0, 255, 255]], [[0, 0, 0], [255, 255, 0]]]
    assert pixels(saved(image, "TIFF")).tolist() == expected
    flat = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.abs(pixels(saved(flat, "JPEG")).astype(int) - [0, 255, 255]).max() <= 3


def test_palettes_greys_and_bits() -> None:
    few = PICTURE.quantize(7)
    assert np.array_equal(pixels(saved(few, "PNG")), np.asarray(few.convert("RGB")))
    for mode in ("L", "1"):
        image = PICTURE.convert(mode)
        assert np.array_equal(pixels(saved(image, "PNG")), np.asarray(image.convert("RGB")))


def test_what_is_transparent_shows_white() -> None:
    # Alpha 0 hides the colour that the file holds there; 51 of 255 is a fifth of it: 255 − (255 − 5) / 5 = 205.
    rows = bytes([9, 9, 9, 0, 5, 5, 5, 51, 7, 8, 9, 255, 0, 0, 0, 0])
    expected = [[[255] * 3, [205] * 3], [[7, 8, 9], [255] * 3]]
    assert pixels(png(2, 2, 8, 6, rows)).tolist() == expected
    grey = png(2, 2, 8, 0, bytes([9, 80, 80, 9]), (b"tRNS", b"\0\x09"))
    assert pixels(grey)[..., 0].tolist() == [[255, 80], [80, 255]]
    palette = [(b"PLTE", bytes([1, 2, 3, 4, 5, 6])), (b"tRNS", b"\0")]
    assert pixels(png(2, 2, 8, 3, bytes([0, 1, 1, 0]), *palette))[0].tolist() == [[255] * 3, [4, 5, 6]]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused(kind: str) -> None:
    data = saved(PICTURE, kind, save_all=True, append_images=[speckled(17, 12, seed) for seed in (1, 2)])
    assert refused(data) == "picture: has several frames; save the one that is meant"


def test_a_camera_with_a_second_picture_is_a_jpeg() -> None:
    flat = Image.new("RGB", (24, 16), (200, 30, 40))
    data = saved(flat, "MPO", save_all=True, append_images=[Image.new("RGB", (24, 16), (0, 0, 255))])
    assert np.abs(pixels(data).astype(int) - [200, 30, 40]).max() <= 3


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n", b"<svg/>", b"GIF89a", b"%PDF-1.7", b"\0" * 99])
def test_what_is_no_picture(data: bytes) -> None:
    assert refused(data).startswith(("picture: is no file of PNG, JPEG", "picture: can't be decoded: "))


def test_other_kinds_are_not_tried() -> None:
    assert "is no file of PNG, JPEG, GIF, WEBP, BMP, TIFF" in refused(
        saved(speckled(16, 16), "ICO", sizes=[(16, 16)])
    )


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 40), (40, 1)])
def test_a_pixel_shows_nothing(width: int, height: int) -> None:
    reason = refused(saved(speckled(width, height), "PNG"))
    assert reason == f"picture: is {width} × {height} pixels, and shows nothing"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_hundred_megapixels_are_refused_by_their_head(kind: str) -> None:
    reason = refused(claiming(kind, 10_000, 10_000))
    assert reason == "picture: is 10,000 × 10,000 pixels, more than the 50,000,000 that are read"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_what_stops_pillow_too(kind: str) -> None:
    assert (
        refused(claiming(kind, 30_000, 30_000))
        == "picture: has more than the 50,000,000 pixels that are read"
    )


def test_limits_are_exact() -> None:
    data = saved(PICTURE, "PNG")
    exact = Limits(max_pixels=17 * 12, min_side=12, max_side=17)
    assert decode(data, exact).size == (17, 12)
    assert "more than the 203" in refused(data, Limits(max_pixels=17 * 12 - 1))
    assert "longer than the 16" in refused(data, Limits(max_side=16))
    assert "shows nothing" in refused(data, Limits(min_side=13))
    for width, height in ((200 * 3, 3), (3, 200 * 3)):
        assert decode(saved(Image.new("RGB", (width, height)), "PNG"), LIMITS).size == (width, height)
    reason = refused(saved(Image.new("RGB", (3, 601)), "PNG"))
    assert reason == "picture: is 3 × 601 pixels, more than 200 times as long as wide"


def test_a_gif_whose_frame_is_larger_than_its_screen() -> None:
    data = bytearray(saved(PICTURE, "GIF"))
    place = data.index(b"\x2c\0\0\0\0\x11\0\x0c\0") + 5
    data[place : place + 4] = struct.pack("<HH", 60_000, 60_000)
    assert "pixels" in refused(bytes(data))


@pytest.mark.slow
def test_refusing_takes_no_memory() -> None:
    program = """
import resource, sys
from llmood.tasks.images.decode import FORMATS, decode
from llmood.tasks.images.limits import Limits
from llmood.tasks.row_errors import RowError
from tests.pictures import claiming, png, saved, speckled
decode(saved(speckled(9, 7), "WEBP"), Limits())
files = [claiming(kind, 10_000, 10_000) for kind in FORMATS]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for data in files:
    try:
        decode(data, Limits())
    except RowError:
        continue
    sys.exit("was read")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kB; one such picture is 300,000
