"""Lengths and distances of compressed texts."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.compression import compressed_length, normalised_compression_distances


def distance(one: bytes, other: bytes) -> float:
    lengths = np.array([compressed_length(other)])
    return float(normalised_compression_distances(one, [other], lengths)[0])


def test_there_is_no_header() -> None:
    assert compressed_length(b"") == 2
    # zlib's own format: two bytes before, a check sum of four behind. gzip's are ten and eight.
    for text in (b"a", b"what is the time", b"abc" * 1000):
        assert compressed_length(text) == len(zlib.compress(text, 9)) - 6


def test_a_stored_block_by_hand() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 2000, dtype=np.uint8).tobytes()
    # Noise doesn't shrink. One stored block: a byte of header with padding, two lengths of two bytes, and the content.
    assert compressed_length(noise) == 2000 + 5


def test_the_formula() -> None:
    one, other = b"how much is in my savings account", b"how much do i have in my savings"
    alone, beside = len(zlib.compress(one, 9)) - 6, len(zlib.compress(other, 9)) - 6
    joined = len(zlib.compress(one + b" " + other, 9)) - 6
    assert distance(one, other) == (joined - min(alone, beside)) / max(alone, beside)
    assert distance(one, other) < distance(one, b"translate hello into french")


def test_the_same_is_near_and_noise_is_far() -> None:
    generator = np.random.default_rng(1)
    one, other = (generator.integers(0, 256, 5000, dtype=np.uint8).tobytes() for _ in range(2))
    assert distance(one, one) < 0.03
    assert distance(one, other) == pytest.approx(1.0, abs=0.01)


@given(st.binary(max_size=80), st.lists(st.binary(max_size=80), min_size=1, max_size=4))
def test_each_reference_alone_is_as_beside_others(text: bytes, references: list[bytes]) -> None:
    lengths = np.array([compressed_length(other) for other in references])
    together = normalised_compression_distances(text, references, lengths)
    assert together.tolist() == [distance(text, other) for other in references]
    assert (together > 0).all()
