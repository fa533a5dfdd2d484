"""How easily the spread within a class would change what a linear head says."""

from __future__ import annotations

from llmood.measures.gaussian_head import head_uncertainty, propagate
from llmood.measures.linear_head import standardised
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.head import OfHead
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF


@register("gaussian_head", OF)
class GaussianHead(OfHead):
    """The largest probability that another class beats the head's, were the state moved as states of one class differ.

    Formula: `measures.gaussian_head` (Petersen et al., ICLR 2024), with the noise of train's within-class covariance.

    Args:
        reading: as in `Representation`.
    """

    noise_: Floats

    def learn(self, train: Learned, held: Learned | None) -> None:
        super().learn(train, held)
        scales = self.head_.scales
        self.noise_ = train.statistics.within_covariance().matrix / scales[:, None] / scales

    def distances(self, states: Floats) -> Floats:
        head = self.head_
        return head_uncertainty(propagate(standardised(states, head), self.noise_, head.weights, head.bias))
