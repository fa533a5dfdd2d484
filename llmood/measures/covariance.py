"""Ledoit–Wolf covariances of states in one pass: around the mean of all, and around each class's own.

Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (Journal of
Multivariate Analysis 88, 2004); the same numbers as scikit-learn's `LedoitWolf`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.moments import Moments, merge_moments, moments_of
from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats


class Covariance(NamedTuple):
    """What rows vary by: `matrix` (d, d), of `samples` rows; `shrinkage` in [0, 1] is the identity's share in it."""

    matrix: Floats
    shrinkage: float
    samples: int


def ledoit_wolf(scatter: Floats, quartic: float, samples: int) -> Covariance:
    """(1 − s)·S + s·μ·I with S = scatter / n, μ the mean variance, and s = min(β, δ) / δ.

    δ = ‖S − μI‖² / d is how far S is from the target, and β = (Σ ‖y‖⁴ / n − ‖S‖²) / (n·d) how far it may be off.

    Args:
        scatter: (d, d) Σ y yᵀ of centred rows.
        quartic: Σ ‖y‖⁴.
        samples: n, centred with no loss of degrees of freedom: as scikit-learn's with `assume_centered=True`.
    """
    width = len(scatter)
    matrix = scatter / samples
    mean_variance = float(np.trace(matrix)) / width
    squared = float((matrix**2).sum())
    distance = squared / width - mean_variance**2
    error = (quartic / samples - squared) / (samples * width)
    shrinkage = min(max(error, 0.0) / distance, 1.0) if distance > 0 else 0.0
    shrunk = (1.0 - shrinkage) * matrix
    shrunk[np.diag_indices(width)] += shrinkage * mean_variance
    return Covariance(shrunk, shrinkage, samples)


def condition_number(matrix: Floats) -> float:
    """Largest over smallest eigenvalue of a covariance, at least 1; +inf where float64 can't tell it from singular."""
    return condition_of(np.asarray(np.linalg.eigvalsh(matrix), np.float64))


def condition_of(eigenvalues: Floats) -> float:
    """The condition number that ascending eigenvalues say; +inf below the rounding of the largest one."""
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    known = smallest > largest * len(eigenvalues) * np.finfo(np.float64).eps
    return largest / smallest if known else float("inf")


class StateStatistics:
    """Gathers blocks of states and their classes once, then gives means and covariances.

    Shrinking towards the identity takes Σ ‖x − μ_c‖⁴ with the final means, so a class's own scatter is needed: as rows
    until there are d of them, as a matrix from then on. Memory is thus at most min(n, 2·C·d) rows and C matrices, and
    flat in n; the rows of many small classes are the data themselves.
    """

    def __init__(self) -> None:
        self._rows: dict[Hashable, list[Floats]] = {}
        self._moments: dict[Hashable, Moments] = {}
        self._overall: Moments | None = None

    def add(
        self, states: NDArray[np.floating], classes: Sequence[Hashable] | NDArray[Any] | None = None
    ) -> None:
        """One more block.

        Args:
            states: (n, d).
            classes: (n,) integers, or strings; None is one class for all.

        Raises:
            ValueError: NaN, another width than before, or another number of classes than of states.
        """
        width = None if self._overall is None else len(self._overall.mean)
        block = check_states(states, width=width)
        if classes is not None and len(classes) != len(block):
            raise ValueError(f"classes must be {len(block)}, one a state, not {len(classes)}")
        if not len(block):
            return
        found = moments_of(block)
        self._overall = found if self._overall is None else merge_moments(self._overall, found)
        given: NDArray[Any] = np.zeros(len(block), np.int64) if classes is None else np.asarray(classes)
        labels, of_row = np.unique(given, return_inverse=True)
        for index, label in enumerate(labels.tolist()):
            self._add_class(label, block[of_row == index])

    @property
    def classes(self) -> list[Hashable]:
        """The classes met, sorted."""
        return sorted({*self._rows, *self._moments})  # type: ignore[type-var]

    def overall(self) -> Moments:
        """The moments of all rows around their mean; its `mean` is (d,)."""
        if self._overall is None:
            raise ValueError("no states were added: there is nothing to fit")
        return self._overall

    def class_means(self) -> Floats:
        """(C, d), in the order of `classes`."""
        return np.stack([self._class(label).mean for label in self.classes])

    def overall_covariance(self, *, shrink: bool = True) -> Covariance:
        """Of all rows around their mean.

        Raises:
            ValueError: all rows are the same.
        """
        found = self.overall()
        self._check_varies(found.scatter, "all states are the same")
        return _covariance(found.scatter, found.quartic, found.samples, shrink=shrink)

    def within_covariance(self, *, shrink: bool = True) -> Covariance:
        """Of all rows, each around its class's mean: what classes share.

        A class of one member says nothing of it, yet counts in n, as a centred row of zeros does in scikit-learn.

        Raises:
            ValueError: no class has two members that differ.
        """
        width = len(self.overall().mean)
        scatter, quartic = np.zeros((width, width)), 0.0
        for label in self.classes:
            found = self._class(label)
            scatter += found.scatter
            quartic += found.quartic
        self._check_varies(scatter, "no class has two members that differ")
        return _covariance(scatter, quartic, self.overall().samples, shrink=shrink)

    def _check_varies(self, scatter: Floats, reason: str) -> None:
        found = self.overall()
        size = float(np.trace(found.scatter)) + found.samples * float(found.mean @ found.mean)
        # Equal rows differ from their mean by its rounding.
        if np.trace(scatter) <= (8 * np.finfo(np.float64).eps) ** 2 * size:
            raise ValueError(f"{reason}: there is no covariance to fit")

    def _add_class(self, label: Hashable, rows: Floats) -> None:
        waiting = self._rows.setdefault(label, [])
        waiting.append(rows)
        if sum(map(len, waiting)) >= rows.shape[1]:
            self._moments[label] = self._class(label)
            del self._rows[label]

    def _class(self, label: Hashable) -> Moments:
        waiting, known = self._rows.get(label), self._moments.get(label)
        if waiting is None:
            return self._moments[label]
        found = moments_of(np.concatenate(waiting))
        return found if known is None else merge_moments(known, found)


def _covariance(scatter: Floats, quartic: float, samples: int, *, shrink: bool) -> Covariance:
    return ledoit_wolf(scatter, quartic, samples) if shrink else Covariance(scatter / samples, 0.0, samples)
