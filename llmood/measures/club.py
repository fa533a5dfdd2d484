"""CLUB: an upper bound of mutual information, from what a conditional Gaussian says of pairs and of mixed-up pairs.

Source: Cheng et al., "CLUB: A Contrastive Log-ratio Upper Bound of Mutual Information" (ICML 2020).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats


def club(outputs: NDArray[np.floating], means: NDArray[np.floating], variances: ArrayLike) -> float:
    """mean_i [log q(y_i | x_i) − mean_{j≠i} log q(y_j | x_i)], q(y | x_i) = N(μ_i, diag σ_i²), in nats.

    An upper bound of I(X; Y) where q is the true conditional, and no bound where it isn't: it may then be below 0. Of
    two Gaussians it is ρ² / (1 − ρ²), and their information −½ log(1 − ρ²).

    The arguments are those of `club_terms`, whose mean it is.

    >>> float(club([[1.0], [-1.0]], [[0.5], [-0.5]], 0.5))
    2.0
    """
    return float(club_terms(outputs, means, variances).mean())


def club_terms(outputs: NDArray[np.floating], means: NDArray[np.floating], variances: ArrayLike) -> Floats:
    """What each row adds to CLUB, as x and as y, (n,). Their mean is `club`, to which intervals resample them.

    A row's term is f_i + g_i· + g_·i − g_··, f being its own log-density and g those of mixed-up pairs: the first-order
    influence of the row, so that the mean of resampled terms moves as CLUB of resampled rows does. Takes O(n·d): the
    mean over j is Σ_d [var(y_d) + (ȳ_d − μ_id)²] / 2σ_id².

    Args:
        outputs: y, (n, d), n ≥ 2.
        means: μ(x), (n, d), of a q that wasn't fitted on these rows.
        variances: σ²(x), (n, d) or what broadcasts to it; above 0. Infinite where a dimension says nothing.

    Raises:
        ValueError: NaN, other shapes, one row, or a variance that isn't above 0.
    """
    y = check_states(outputs, "outputs")
    mean = check_states(means, "means", width=y.shape[1])
    if len(y) < 2 or len(mean) != len(y):
        raise ValueError(f"two rows or more of both are needed, not {len(y)} outputs and {len(mean)} means")
    spread = np.asarray(variances, dtype=np.float64)
    if not (spread > 0).all():
        raise ValueError("variances must be above 0")
    precision = np.broadcast_to(1.0 / spread, y.shape)
    # About the outputs' mean, which changes nothing but the rounding.
    y, mean = y - y.mean(axis=0), mean - y.mean(axis=0)
    own = (precision * (y - mean) ** 2).sum(axis=1)
    as_input = (precision * ((y**2).mean(axis=0) + mean**2)).sum(axis=1)
    weight, first, second = (each.mean(axis=0) for each in (precision, precision * mean, precision * mean**2))
    as_output = (weight * y**2 - 2.0 * first * y + second).sum(axis=1)
    # With j = i among the mixed-up pairs, as published, all of this is (n − 1) / n as large.
    return np.asarray((as_input + as_output - as_input.mean() - own) / 2.0 * (len(y) / (len(y) - 1)))
