"""Corruptions of pictures: what each does, worked out by hand, and that grades rise."""

from __future__ import annotations

import io
import re
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from llmood.errors import ConfigError, UnknownNameError
from llmood.tasks.corrupt import CORRUPTIONS
from llmood.tasks.images.corrupt import (
    GRADES,
    IMAGE_CORRUPTIONS,
    ImageCorruption,
    corrupt_image,
    mean_distance,
)
from llmood.tasks.images.read import image_digest
from tests.pictures import demo_pictures, speckled

NAMES = IMAGE_CORRUPTIONS.names()
LOCK = Path(__file__).resolve().parents[4] / "requirements" / "cpu.lock"
# Of the third grade of one picture, made with the versions of the lock.
DIGESTS = {
    "blur": "b6ddda7679eb946b22c8a2f7fda150a8",
    "brightness": "46c74da4d3034a4cebb4841ceb648524",
    "contrast": "919d376517c93c091938e22b355e27e9",
    "jpeg": "234604787ceb99c410e19551e46bd212",
    "noise": "c8ef1bad5e43dd20b936d65b0d8b132b",
    "occlusion": "0bb3337030dd7039749fa3c0a4b4e2d9",
    "pixelate": "fe74232da2f7b8b80b0c5697a78f3e5c",
    "rotation": "a1062be848c420fff0025dff960d76b3",
}


def change(name: str, image: Image.Image, amount: float, seed: int = 0) -> np.ndarray:
    out = IMAGE_CORRUPTIONS.get(name).change(image, amount, np.random.default_rng(seed))
    return np.asarray(out).astype(int)


def distances(name: str, image: Image.Image, key: str) -> list[float]:
    grades = (corrupt_image(image, name, grade, seed=1, key=key) for grade in (0, *GRADES))
    return [mean_distance(image, out) for out in grades]


def test_the_eight_are_there_and_no_text_has_their_names() -> None:
    assert sorted(DIGESTS) == NAMES
    assert not set(NAMES) & set(CORRUPTIONS.names())


@pytest.mark.parametrize("name", NAMES)
def test_grades_rise_over_a_fixed_set(name: str) -> None:
    of_each = [distances(name, image, str(i)) for i, image in enumerate(demo_pictures(24))]
    mean = np.mean(of_each, axis=0)
    assert mean[0] == 0
    assert all(high > low for low, high in pairwise(mean)), mean


@pytest.mark.parametrize("name", ["noise", "brightness", "contrast", "occlusion"])
def test_some_rise_in_every_picture(name: str) -> None:
    for i, image in enumerate([*demo_pictures(8), speckled(31, 20), Image.new("RGB", (9, 9), "white")]):
        found = distances(name, image, str(i))
        if name == "contrast" and image.getcolors(1):
            assert found == [0] * 6  # one colour has no contrast
        else:
            assert found == sorted(found)
            assert found[1] > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(2, 2), (2, 90), (90, 2), (33, 47)])
def test_size_and_mode_stay(name: str, size: tuple[int, int]) -> None:
    image = speckled(*size)
    before = image.tobytes()
    for grade in GRADES:
        out = corrupt_image(image, name, grade, seed=0, key="k")
        assert (out.mode, out.size) == ("RGB", size)
    assert image.tobytes() == before


@pytest.mark.parametrize("name", NAMES)
def test_the_same_sample_gives_the_same_pixels(name: str) -> None:
    image = speckled(30, 20)
    first, again = (corrupt_image(image, name, 3, seed=5, key="k") for _ in range(2))
    assert first.tobytes() == again.tobytes()
    others = {corrupt_image(image, name, 3, seed=5, key=f"k{i}").tobytes() for i in range(9)}
    drawn = name in {"noise", "brightness", "occlusion", "rotation"}
    assert (len(others) > 1) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_the_same_pixels_with_the_versions_of_the_lock(name: str) -> None:
    locked = dict(
        re.findall(r"^(numpy|pillow|scipy)==([^ ;\n]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    )
    here = {package: version(package) for package in locked}
    if here != locked:
        pytest.skip(f"digests are of {locked}, not of {here}")
    out = corrupt_image(speckled(48, 40), name, 3, seed=7, key="sample")
    assert image_digest(out) == DIGESTS[name]


def test_what_is_asked_wrongly() -> None:
    image = speckled(4, 4)
    with pytest.raises(UnknownNameError, match="did you mean 'noise'"):
        corrupt_image(image, "noize", 1, seed=0, key="k")
    for grade in (-1, 6):
        with pytest.raises(ConfigError, match=f"no grade {grade} of 'noise'"):
            corrupt_image(image, "noise", grade, seed=0, key="k")
    with pytest.raises(ValueError, match="RGB"):
        corrupt_image(image.convert("L"), "noise", 1, seed=0, key="k")
    with pytest.raises(ValueError, match="one size"):
        mean_distance(image, speckled(4, 5))
    for amounts in [(1.0, 2.0), (1.0, 2.0, 2.0, 3.0, 4.0), (0.0, 1.0, 2.0, 3.0, 4.0)]:
        with pytest.raises(ValueError, match="5 rising amounts"):
            ImageCorruption("x", "", amounts, lambda image, amount, generator: image)


def test_distance_by_hand() -> None:
    black, image = Image.new("RGB", (2, 1)), Image.new("RGB", (2, 1))
    image.putpixel((0, 0), (255, 51, 0))
    assert mean_distance(black, image) == pytest.approx((1 + 0.2) / 6)
    assert mean_distance(black, Image.new("RGB", (2, 1), "white")) == 1


def test_noise_has_its_deviation_and_grows_along_the_same_draws() -> None:
    grey = Image.new("RGB", (300, 300), (127, 127, 127))
    small, large = (change("noise", grey, amount) - 127 for amount in (0.04, 0.08))
    assert small.std() == pytest.approx(0.04 * 255, rel=0.01)  # 270,000 draws: 0.14 % is one deviation
    assert abs(small.mean()) < 0.1
    assert np.abs(large - 2 * small).max() <= 1.5  # each is rounded once
    assert np.corrcoef(small[..., 0].ravel(), small[..., 1].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_blur_spreads_and_keeps_the_mean() -> None:
    dot = Image.new("RGB", (41, 41))
    dot.paste((255, 255, 255), (16, 16, 25, 25))
    out = change("blur", dot, 0.05)
    assert out.mean() == pytest.approx(np.asarray(dot).mean(), abs=0.3)
    assert out[20, 20, 0] > out[20, 15, 0] > out[20, 12, 0] > out[20, 5, 0] == 0
    flat = Image.new("RGB", (20, 20), (10, 200, 30))
    assert np.array_equal(change("blur", flat, 0.1), np.asarray(flat))


def test_brightness_goes_where_there_is_room() -> None:
    # Black is never darkened, white always.
    for seed in range(20):
        assert (change("brightness", Image.new("RGB", (2, 2)), 0.2, seed) == 51).all()
        assert (change("brightness", Image.new("RGB", (2, 2), "white"), 0.2, seed) == 204).all()
    middle = Image.new("RGB", (2, 2), (128, 250, 5))
    lighter, darker = [179, 255, 56], [77, 199, 0]
    found = [change("brightness", middle, 0.2, seed)[0, 0].tolist() for seed in range(40)]
    assert all(pixel in (lighter, darker) for pixel in found)
    assert 8 <= found.count(darker) <= 32


def test_contrast_draws_each_channel_to_its_mean() -> None:
    image = Image.new("RGB", (2, 1), (0, 10, 50))
    image.putpixel((1, 0), (200, 10, 150))
    assert change("contrast", image, 0.5).tolist() == [[[50, 10, 75], [150, 10, 125]]]


def test_jpeg_is_a_file_of_that_quality() -> None:
    image, file = demo_pictures(1)[0], io.BytesIO()
    image.save(file, "JPEG", quality=15, subsampling=2)
    assert np.array_equal(change("jpeg", image, 0.85), np.asarray(Image.open(file)))


def test_pixelate_is_means_of_blocks() -> None:
    image = speckled(8, 6)
    blocks = np.asarray(image).reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    out = change("pixelate", image, 0.5)
    assert (
        np.abs(out - blocks.repeat(2, axis=0).repeat(2, axis=1)).max() <= 1
    )  # rows and columns are each rounded
    assert len(np.unique(change("pixelate", image, 0.95).reshape(-1, 3), axis=0)) == 1


def test_occlusion_covers_its_share_and_what_a_lower_grade_covered() -> None:
    white = Image.new("RGB", (200, 100), "white")
    covered_before = np.zeros((100, 200), dtype=bool)
    for amount in (0.05, 0.1, 0.2, 0.35, 0.5):
        covered = (change("occlusion", white, amount, seed=4) == 127).all(axis=2)
        assert covered.mean() == pytest.approx(amount, abs=0.01)
        assert (covered | ~covered_before).all()
        covered_before = covered


def test_rotation_turns_about_the_centre_and_fills_with_the_edge() -> None:
    image = Image.new("RGB", (41, 41), (250, 240, 230))
    image.paste((0, 0, 0), (19, 2, 22, 12))  # a mark above the centre
    turned = [change("rotation", image, 90.0, seed) for seed in range(20)]
    sides = {(int(out[20, 5, 0]), int(out[20, 35, 0])) for out in turned}
    assert sides == {(0, 250), (250, 0)}  # to the left, or to the right
    assert change("rotation", image, 45.0)[0, 0].tolist() == [250, 240, 230]
