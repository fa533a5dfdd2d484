"""How far a state is from the classes of train, in units of how states vary within a class."""

from __future__ import annotations

from typing import Any, ClassVar

from llmood.measures.covariance import Covariance
from llmood.measures.mahalanobis import Gaussians, mahalanobis, relative_mahalanobis, shared_gaussians
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF, Representation


class OfGaussians(Representation):
    """A scorer of Gaussian classes that share a covariance, which Ledoit and Wolf's formula shrinks.

    `condition_number_` is the covariance's, `shrinkage_` how much of it is the identity.
    """

    gaussians_: Gaussians
    condition_number_: float
    shrinkage_: float

    def keep(self, means: Floats, covariance: Covariance) -> None:
        """Learn these classes."""
        self.gaussians_ = shared_gaussians(means, covariance.matrix)
        self.condition_number_ = self.gaussians_.condition_number
        self.shrinkage_ = covariance.shrinkage


@register(
    "mahalanobis",
    {**OF, ".one_class": {"one_class": True}},
)
class Mahalanobis(OfGaussians):
    """The squared Mahalanobis distance to the nearest class of train.

    Formula: `measures.mahalanobis.mahalanobis` (Lee et al., NeurIPS 2018). Without labels, or as `.one_class`, all of
    train is one class.

    Args:
        one_class: forget the labels.
        reading: as in `Representation`.
    """

    by_concepts: ClassVar[bool] = True

    def __init__(self, *, one_class: bool = False, **reading: Any) -> None:
        super().__init__(**reading)
        self.one_class = one_class

    def learn(self, train: Learned, held: Learned | None) -> None:
        found = train.statistics
        if self.one_class:
            self.keep(found.overall().mean[None], found.overall_covariance())
        else:
            self.keep(found.class_means(), found.within_covariance())

    def distances(self, states: Floats) -> Floats:
        return mahalanobis(states, self.gaussians_)


@register("relative_mahalanobis", OF)
class RelativeMahalanobis(OfGaussians):
    """The squared Mahalanobis distance to the nearest class of train, less that to all of a background.

    Formula: `measures.mahalanobis.relative_mahalanobis` (Ren et al., 2021 and ICLR 2023). What all texts have in
    common cancels. The background is one Gaussian: of train itself, which takes two classes, or of another task's rows.

    Args:
        background: a task beside the benchmark's, by name or path, whose rows are the background; by default train.
        reading: as in `Representation`.
    """

    background_: Gaussians

    def __init__(self, *, background: str | None = None, **reading: Any) -> None:
        super().__init__(**reading)
        self.background = background

    @property
    def least_classes(self) -> int:
        return 2 if self.background is None else 1

    @property
    def definition(self) -> str | None:
        against = "" if self.background is None else f", against {self.background}"
        return f"{super().definition}{against}"

    def learn(self, train: Learned, held: Learned | None) -> None:
        found = train.statistics
        if self.background is None:
            if len(train.names) < self.least_classes:
                raise ValueError(
                    "there is one class, and its distance less its own is 0: label the rows of train"
                )
            self._against(train)
        self.keep(found.class_means(), found.within_covariance())

    def learn_background(self, rows: Learned) -> None:
        self._against(rows)

    def _against(self, rows: Learned) -> None:
        found = rows.statistics
        self.background_ = shared_gaussians(found.overall().mean[None], found.overall_covariance().matrix)

    def distances(self, states: Floats) -> Floats:
        return relative_mahalanobis(states, self.gaussians_, self.background_)
