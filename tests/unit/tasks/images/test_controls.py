"""What stands in for a picture."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from llmood.tasks.images.controls import blank_image, noise_image, other_image, partners
from tests.pictures import speckled


def test_a_blank_picture() -> None:
    image = blank_image((5, 4))
    assert (image.mode, image.size, image.getcolors()) == ("RGB", (5, 4), [(20, (127, 127, 127))])


def test_noise_has_every_value_alike_and_is_seeded() -> None:
    image = noise_image((101, 99), seed=1, key="a")
    assert (image.mode, image.size) == ("RGB", (101, 99))
    counts = np.bincount(np.asarray(image).reshape(-1), minlength=256)
    # χ² with 255 degrees: 255 ± 5 · √510.
    expected = counts.sum() / 256
    assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * 510**0.5
    assert image.tobytes() == noise_image((101, 99), seed=1, key="a").tobytes()
    for other in (noise_image((101, 99), seed=2, key="a"), noise_image((101, 99), seed=1, key="b")):
        assert image.tobytes() != other.tobytes()


def test_another_picture_has_this_ones_size() -> None:
    image, other = Image.new("RGB", (8, 6)), speckled(8, 6)
    assert other_image(image.size, other) is other
    assert other_image(image.size, Image.new("RGB", (3, 30), (9, 8, 7))).getcolors() == [(48, (9, 8, 7))]


@pytest.mark.parametrize(
    "digests", [list("abcdefgh"), list("aabbc"), list("aaabbb"), list("ab"), list("aabbccc"), list("aaabcd")]
)
def test_everybody_has_anothers_picture(digests: list[str]) -> None:
    keys = [f"s{i}" for i in range(len(digests))]
    found = partners(keys, digests, seed=3)
    assert sorted(i for i in found if i is not None) == list(range(len(digests)))
    assert all(digests[i] != digests[j] for i, j in enumerate(found) if j is not None)


def test_who_has_whose_depends_on_the_seed_alone() -> None:
    pairs = [(f"s{i}", f"d{i // 2}") for i in range(40)]
    mixed = random.Random(1).sample(pairs, len(pairs))

    def named(samples: list[tuple[str, str]], seed: int) -> dict[str, str]:
        places = partners([key for key, _ in samples], [digest for _, digest in samples], seed=seed)
        return {samples[i][0]: samples[j][0] for i, j in enumerate(places) if j is not None}

    assert named(pairs, 1) == named(mixed, 1)
    assert named(pairs, 1) != named(pairs, 2)


def test_none_where_nearly_all_show_the_same() -> None:
    found = partners(list("uvwxyz"), list("aaaaab"), seed=0)
    assert sum(place is not None for place in found) == 2  # b's has an a, and one a has b's
    assert partners(["u", "v"], ["a", "a"], seed=0) == [None, None]
    assert partners(["u"], ["a"], seed=0) == [None]
    assert partners([], [], seed=0) == []
