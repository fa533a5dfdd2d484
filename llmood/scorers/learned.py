"""The rows that scorers of states learn from: which they are, and what several scorers make of them, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.measures.covariance import StateStatistics
from llmood.measures.linear_head import LinearHead, fit_head
from llmood.measures.token_statistics import Floats
from llmood.seeds import unit_interval


@dataclass(frozen=True)
class Learned:
    """Rows to learn from, and what several scorers make of them, once.

    Rows without a label count only where none has one: all are of one class then, whose name is "".

    Attributes:
        states: float64 (n, d).
        names: of the classes.
        classes: int64 (n,), which of them a row has.
        domains: of the classes; "" for one that has none or several.
        ids: of the rows, their samples'.
    """

    states: Floats
    names: list[str]
    classes: NDArray[np.int64]
    domains: list[str]
    ids: list[str]

    @cached_property
    def statistics(self) -> StateStatistics:
        """The sums that means and covariances come from."""
        found = StateStatistics()
        found.add(self.states, self.classes)
        return found

    @cached_property
    def head(self) -> LinearHead:
        """A linear head that tells the classes apart.

        Raises:
            ValueError: there is one class, or the head's fit did not converge.
        """
        if len(self.names) < 2:
            raise ValueError("there is one class, and two are needed: label the rows of train")
        return fit_head(self.states, self.classes)


def learned_rows(
    samples: pa.Table, states: NDArray[np.floating], *, references: int, seed: int, labelled: bool
) -> Learned:
    """The rows with a state, at most so many, drawn by hash and of each label as many as of the others; by sample id.

    Args:
        samples: rows of `tables.SAMPLES`.
        states: (n, d) of them, NaN where there is none.
        labelled: whether labels count.
    """
    there = ~np.isnan(states).any(axis=1) if states.shape[1] else np.zeros(len(states), np.bool_)
    ids, labels, domains = (samples[name].to_pylist() for name in ("sample_id", "label", "domain"))
    rows = np.flatnonzero(there).tolist()
    if not labelled:
        labels = [None] * len(labels)
    if any(labels[row] is not None for row in rows):
        rows = [row for row in rows if labels[row] is not None]
    kept = _drawn(rows, ids, labels, references, seed)
    classes = sorted({labels[row] or "" for row in kept})
    of: dict[str, set[str]] = {name: set() for name in classes}
    for row in kept:
        of[labels[row] or ""].add(domains[row] or "")
    number = {name: place for place, name in enumerate(classes)}
    return Learned(
        states[kept].astype(np.float64),
        classes,
        np.array([number[labels[row] or ""] for row in kept], dtype=np.int64),
        [next(iter(of[name])) if len(of[name]) == 1 else "" for name in classes],
        [ids[row] for row in kept],
    )


def _drawn(
    rows: Sequence[int], ids: Sequence[str], labels: Sequence[str | None], references: int, seed: int
) -> list[int]:
    """At most so many rows, of each label as many as of the others, in the order of their ids."""
    drawn: Counter[str] = Counter()
    places: dict[int, tuple[int, float]] = {}
    for row in sorted(rows, key=lambda row: unit_interval(seed, "references", ids[row])):
        label = labels[row] or ""
        places[row] = (drawn[label], unit_interval(seed, "references", ids[row]))
        drawn[label] += 1
    return sorted(sorted(rows, key=lambda row: places[row])[:references], key=lambda row: ids[row])
