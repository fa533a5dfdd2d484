"""What every measure of hidden states checks first, and how they are cut into blocks.

States are (n, d): a row a sample, of one layer at one position.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats

BLOCK_VALUES = 4_000_000  # 32 MB of float64


def check_states(states: NDArray[np.floating], name: str = "states", width: int | None = None) -> Floats:
    """`states` as float64, (n, d).

    Raises:
        ValueError: it isn't two-dimensional, has no columns or not `width` of them, or holds NaN or infinity.
    """
    array = np.asarray(states, dtype=np.float64)
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name} must have shape (n, d) with d of at least 1, not {array.shape}")
    if width is not None and array.shape[1] != width:
        raise ValueError(f"{name} must have {width} columns, as what was fitted has, not {array.shape[1]}")
    broken = ~np.isfinite(array).all(axis=1)
    if broken.any():
        raise ValueError(
            f"{name}: row {int(broken.argmax())} ({int(broken.sum())} in all) holds NaN or infinity; "
            "leave these samples out"
        )
    return array


def unit_rows(states: NDArray[np.floating], name: str = "states") -> Floats:
    """Each row divided by its Euclidean length, (n, d).

    Raises:
        ValueError: what `check_states` raises, or a row of zeros, which has no direction.
    """
    array = check_states(states, name)
    # Dividing by the largest entry first keeps the squares from overflowing and vanishing.
    largest = np.abs(array).max(axis=1, keepdims=True)
    if not largest.all():
        raise ValueError(
            f"{name}: row {int(largest.argmin())} is all zeros and has no direction; leave it out"
        )
    scaled = array / largest
    return np.asarray(scaled / np.sqrt((scaled**2).sum(axis=1, keepdims=True)))


def row_blocks(rows: int, width: int) -> Iterator[slice]:
    """Consecutive slices of rows, each of at most 4,000,000 values of rows so wide, and at least one row."""
    size = max(1, BLOCK_VALUES // max(width, 1))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
