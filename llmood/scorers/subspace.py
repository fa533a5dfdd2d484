"""What of a state lies outside the directions in which the states of train vary."""

from __future__ import annotations

from typing import Any

from llmood.measures.subspace import Neco, Subspace, fit_neco, neco, principal_subspace, residual_norm
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF, Representation


class OfDirections(Representation):
    """A scorer of principal directions.

    Args:
        dimensions: how many, or (below 1) the share of the variance that they are to hold.
        reading: as in `Representation`.
    """

    def __init__(self, *, dimensions: float = 0.9, **reading: Any) -> None:
        super().__init__(**reading)
        if not (0.0 < dimensions < 1.0 or (dimensions >= 1 and dimensions == int(dimensions))):
            raise ValueError(f"dimensions is a count, or a share between 0 and 1, not {dimensions:g}")
        self.dimensions = dimensions

    @property
    def wanted(self) -> float:
        """`dimensions` as the measures take it."""
        return self.dimensions if self.dimensions < 1 else int(self.dimensions)


@register("pca_reconstruction", OF)
class PCAReconstruction(OfDirections):
    """How far a state is from the plane of train's principal components.

    Formula: `measures.subspace.residual_norm`, around the mean.

    Args:
        dimensions, reading: as in `OfDirections`.
    """

    subspace_: Subspace

    def learn(self, train: Learned, held: Learned | None) -> None:
        found = train.statistics.overall()
        self.subspace_ = principal_subspace(found.scatter / found.samples, found.mean, self.wanted)

    def distances(self, states: Floats) -> Floats:
        return residual_norm(states, self.subspace_)


@register("neco", OF)
class NECO(OfDirections):
    """−the share of a standardised state's length that lies in train's principal components.

    Formula: `measures.subspace.neco` (Ammar et al., ICLR 2024), without the factor of the max logit.

    Args:
        dimensions, reading: as in `OfDirections`.
    """

    neco_: Neco

    def learn(self, train: Learned, held: Learned | None) -> None:
        self.neco_ = fit_neco(train.statistics.overall(), self.wanted)

    def distances(self, states: Floats) -> Floats:
        return neco(states, self.neco_)
