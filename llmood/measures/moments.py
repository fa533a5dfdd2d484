"""Sums that a covariance and its shrinkage are made of, gathered block by block and exact whatever the blocks.

Everything is about the mean so far, and moves when the mean does: raw sums of squares would cancel where states lie
far from the origin, and they do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from llmood.measures.token_statistics import Floats


class Moments(NamedTuple):
    """Of n rows (`samples`) x with mean m, and y = x − m.

    `scatter` (d, d) is Σ y yᵀ, `cubic` (d,) Σ ‖y‖² y, and `quartic` Σ ‖y‖⁴.
    """

    samples: int
    mean: Floats
    scatter: Floats
    cubic: Floats
    quartic: float


def moments_of(rows: Floats) -> Moments:
    """The moments of an array (n, d) of at least one row."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    squares = (centred**2).sum(axis=1)
    return Moments(len(rows), mean, centred.T @ centred, squares @ centred, float(squares @ squares))


def merge_moments(left: Moments, right: Moments) -> Moments:
    """The moments of both arrays' rows together."""
    count = left.samples + right.samples
    mean = left.mean + (right.mean - left.mean) * (right.samples / count)
    one, other = _about(left, mean), _about(right, mean)
    return Moments(
        count, mean, one.scatter + other.scatter, one.cubic + other.cubic, one.quartic + other.quartic
    )


def second_moment_about(moments: Moments, origin: Floats) -> Floats:
    """Σ (x − o)(x − o)ᵀ / n, (d, d): the covariance without centring where o is 0."""
    return np.asarray(_about(moments, origin).scatter / moments.samples)


def _about(moments: Moments, point: Floats) -> Moments:
    """The same sums of x − point instead of x − mean; `mean` becomes the point."""
    count, mean, scatter, cubic, quartic = moments
    shift = mean - point
    length, spread, along = float(shift @ shift), float(np.trace(scatter)), scatter @ shift
    return Moments(
        count,
        point,
        scatter + count * np.outer(shift, shift),
        cubic + 2.0 * along + (spread + count * length) * shift,
        quartic
        + 4.0 * float(cubic @ shift)
        + 4.0 * float(shift @ along)
        + 2.0 * length * spread
        + count * length**2,
    )
