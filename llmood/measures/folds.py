"""Folds for cross-validation: by hash, of whole groups, and both kinds in each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmood.identity import digest

FOLDS = 5


def least_of_both(positive: NDArray[np.bool_]) -> int:
    """How many rows the smaller of the two kinds has."""
    return int(min(positive.sum(), (~positive).sum()))


def folds_of(groups: Sequence[str], kinds: NDArray[np.bool_] | NDArray[np.integer]) -> NDArray[np.int64]:
    """A fold a row, (n,): rows of one group in one fold, and the groups of each kind spread evenly, by hash.

    A group's kind is that of its first row.
    """
    kind: dict[str, int] = {}
    for group, own in zip(groups, kinds.tolist(), strict=True):
        kind.setdefault(group, own)
    fold = {
        group: place % FOLDS
        for one in {*kind.values()}
        for place, group in enumerate(sorted((name for name in kind if kind[name] == one), key=digest))
    }
    return np.array([fold[group] for group in groups], dtype=np.int64)


def each_complement_holds_both(folds: NDArray[np.integer], positive: NDArray[np.bool_]) -> bool:
    """Whether there are several folds, and the rows outside each hold both kinds."""
    numbers = np.unique(folds)
    return len(numbers) > 1 and all(least_of_both(positive[folds != fold]) > 0 for fold in numbers)
