"""A linear Gaussian channel: what one vector says of another, q(y | x) = N(Wx + b, diag σ²), in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats

RIDGES = 10.0 ** np.arange(-9.0, 3.0)  # shares of the inputs' largest variance
KNOWN = 1e-9  # a share of the outputs' variance: where no more is left, they are known


class GaussianChannel(NamedTuple):
    """`weights` (d, e), `bias` (e,), `variances` (e,): infinite where the outputs don't vary; `ridge`, a share."""

    weights: Floats
    bias: Floats
    variances: Floats
    ridge: float


class _Directions(NamedTuple):
    """The singular vectors and values of centred inputs, without the directions in which these don't vary."""

    left: Floats
    sizes: Floats
    right: Floats

    def shrunk(self, ridge: float) -> Floats:
        """How much of each direction a ridge leaves, in (0, 1)."""
        squares = self.sizes**2
        return np.asarray(squares / (squares + ridge * squares.max(initial=0.0)))


def fit_channel(inputs: NDArray[np.floating], *outputs: NDArray[np.floating]) -> GaussianChannel:
    """The ridge regression, of those with `RIDGES`, under which rows that were left out are likeliest.

    σ² is the mean square of the left-out residuals: those of the rows that W was fitted on are too small, the more so
    the more dimensions there are. Nothing is drawn. Turning the inputs, or moving or scaling a dimension of the
    outputs, turns, moves and scales W, b and σ², and the order of rows changes nothing.

    Args:
        inputs: (n, d), n ≥ 3, of rows that don't depend on each other.
        outputs: one or several (n, e): several answers to each input are left out together.

    Raises:
        ValueError: NaN, other shapes, too few rows, or outputs that follow from the inputs exactly: their information
            has no bound.
    """
    x = check_states(inputs, "inputs")
    each = [check_states(one, "outputs") for one in outputs]
    if len(x) < 3 or not each or any(one.shape != (len(x), each[0].shape[1]) for one in each):
        raise ValueError("three rows or more of inputs are needed, and as many outputs, of one width")
    middle = np.mean([one.mean(axis=0) for one in each], axis=0)
    centred = [one - middle for one in each]
    own = np.mean([(one**2).mean(axis=0) for one in centred], axis=0)
    varies = own > (1e-9 * np.maximum(np.abs(middle), 1e-300)) ** 2
    directions = _directions(x)
    tried = [(_left_out(centred, directions, ridge), ridge) for ridge in RIDGES.tolist()]
    # The Gaussian log-likelihood at its own σ², but for constants; of equals the stronger ridge.
    found, ridge = min(reversed(tried), key=lambda pair: _logs(pair[0][varies]))
    if (found[varies] <= KNOWN * own[varies]).any():
        raise ValueError("the outputs follow from the inputs: their information has no bound")
    kept = directions.shrunk(ridge) / directions.sizes
    weights = (directions.right.T * kept) @ (directions.left.T @ np.mean(centred, axis=0))
    return GaussianChannel(weights, middle - x.mean(axis=0) @ weights, np.where(varies, found, np.inf), ridge)


def channel_means(inputs: NDArray[np.floating], channel: GaussianChannel) -> Floats:
    """μ(x) = Wx + b, (n, e)."""
    rows = check_states(inputs, "inputs", width=len(channel.weights))
    return np.asarray(rows @ channel.weights + channel.bias)


def _directions(x: Floats) -> _Directions:
    left, sizes, right = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    # What rounding leaves where all rows are the same is as small as this.
    kept = sizes > max(x.shape) * np.finfo(np.float64).eps * np.sqrt((x**2).sum())
    return _Directions(left[:, kept], sizes[kept], right[kept])


def _left_out(centred: Sequence[Floats], directions: _Directions, ridge: float) -> Floats:
    """The mean square of what is left of each row's outputs by a channel that was fitted without the row, (e,)."""
    left, shrunk = directions.left, directions.shrunk(ridge)
    mean = np.mean(centred, axis=0)
    rest = mean - (left * shrunk) @ (left.T @ mean)
    # 1 / n is the intercept's own leverage.
    said = mean - rest / (1.0 - 1.0 / len(left) - left**2 @ shrunk)[:, None]
    return np.asarray(np.mean([((one - said) ** 2).mean(axis=0) for one in centred], axis=0))


def _logs(squares: Floats) -> float:
    return float(np.log(np.maximum(squares, 1e-300)).sum())
