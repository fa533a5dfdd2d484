"""Sums, means and maxima of ragged rows, and the two functions of probabilities that entropies are made of.

Ragged rows are one flat array and offsets, as in `token_statistics`: row i is `values[offsets[i]:offsets[i + 1]]`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.token_statistics import Floats, Integers


def flat_rows(values: NDArray[Any], offsets: NDArray[np.integer]) -> tuple[NDArray[Any], Integers]:
    """The entries that the offsets span, and the row of each.

    Raises:
        ValueError: the offsets don't rise, or reach past the values.
    """
    bounds = np.asarray(offsets, dtype=np.int64)
    lengths = np.diff(bounds)
    if not len(bounds) or (lengths < 0).any() or bounds[0] < 0 or bounds[-1] > len(values):
        raise ValueError(f"offsets must rise from 0 or more to at most {len(values)}, the number of values")
    return np.asarray(values)[bounds[0] : bounds[-1]], np.repeat(np.arange(len(lengths)), lengths)


def row_sums(values: NDArray[Any], offsets: NDArray[np.integer]) -> Floats:
    """The sum of each row, (n,); 0 for an empty one."""
    flat, row = flat_rows(values, offsets)
    return np.bincount(row, weights=flat.astype(np.float64), minlength=len(offsets) - 1).astype(np.float64)


def row_means(values: NDArray[Any], offsets: NDArray[np.integer]) -> Floats:
    """The mean of each row, (n,); NaN for an empty one."""
    with np.errstate(invalid="ignore"):
        means: Floats = row_sums(values, offsets) / np.diff(offsets)
    return means


def row_maxima(values: NDArray[Any], offsets: NDArray[np.integer]) -> Floats:
    """The largest value of each row, (n,); NaN for an empty one."""
    flat, row = flat_rows(values, offsets)
    return np.where(np.diff(offsets) > 0, grouped_maxima(flat, row, len(offsets) - 1), np.nan)


class Groups(NamedTuple):
    """Entries of rows that share a label: the row of each group (g,), ascending, and the group of each entry (m,)."""

    row: Integers
    of_entry: Integers


def label_groups(row: Integers, labels: NDArray[np.integer]) -> Groups:
    """The groups that labels, numbered within each row, make of the entries."""
    kinds, numbers = np.unique(labels, return_inverse=True)
    found, of_entry = np.unique(row * max(len(kinds), 1) + numbers, return_inverse=True)
    return Groups(found // max(len(kinds), 1), of_entry)


def grouped_maxima(values: NDArray[Any], group: Integers, groups: int) -> Floats:
    """The largest value of each group, (groups,); −inf for an empty one, NaN where one is NaN."""
    maxima = np.full(groups, -np.inf)
    with np.errstate(invalid="ignore"):
        np.maximum.at(maxima, group, values.astype(np.float64))
    return maxima


def grouped_log_sums(values: Floats, group: Integers, groups: int) -> Floats:
    """The logarithm of Σ exp over the values of each group, (groups,); −inf for a group without mass."""
    top = grouped_maxima(values, group, groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = np.exp(values - np.where(np.isinf(top), 0.0, top)[group])
        return np.asarray(
            np.where(np.isinf(top), 0.0, top) + np.log(np.bincount(group, shifted, groups)), np.float64
        )


def log_sum(values: Floats, axis: int = -1) -> Floats:
    """The logarithm of Σ exp along an axis, without overflow; −inf where there is no mass."""
    top = values.max(axis=axis, keepdims=True, initial=-np.inf)
    base = np.where(np.isinf(top), 0.0, top)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(values - base).sum(axis=axis))
    return np.asarray(total + base.squeeze(axis), dtype=np.float64)


def entropy_terms(probabilities: NDArray[np.floating]) -> Floats:
    """−p log p, 0 where p is 0 (natural logarithm)."""
    p = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(-p * np.log(np.where(p > 0, p, 1.0)), dtype=np.float64)
