"""What of a state lies outside the directions in which ID states vary: PCA's residual, ViM, and NECO.

A subspace is fitted on sums (`moments`, a covariance), which can be gathered block by block. Higher scores are more
OOD.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.moments import Moments, second_moment_about
from llmood.measures.segments import log_sum
from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats

ROUNDING = 1e-9
"""A singular value of this share of the largest is none."""


class Subspace(NamedTuple):
    """The span of orthonormal `directions` (d, k) around `origin` (d,), and each direction's `variances` (k,)."""

    origin: Floats
    directions: Floats
    variances: Floats


class Vim(NamedTuple):
    """A principal subspace, and what the residual is worth in logits."""

    subspace: Subspace
    alpha: float


class Neco(NamedTuple):
    """The mean and standard deviation of each feature, (d,), and principal directions of what they standardise."""

    mean: Floats
    scale: Floats
    directions: Floats


def principal_subspace(matrix: Floats, origin: Floats, dimensions: float) -> Subspace:
    """The directions of the largest eigenvalues of a covariance, or of another second moment, around an origin.

    Args:
        matrix: (d, d).
        origin: (d,) the mean, for PCA.
        dimensions: how many, as an int from 1 to d; or a float in (0, 1), the share of variance that they are to hold.

    Raises:
        ValueError: neither, or a matrix of zeros.
    """
    values, vectors = np.linalg.eigh(check_states(matrix, "matrix", len(origin)))
    # Ascending, and rounded below 0 where there is no variance.
    values, vectors = np.clip(values[::-1], 0.0, None), vectors[:, ::-1]
    if not values[0]:
        raise ValueError("the states don't vary: they have no principal directions")
    if isinstance(dimensions, int) and 1 <= dimensions <= len(values):
        kept = dimensions
    elif 0.0 < dimensions < 1.0:
        shares = np.cumsum(values) / values.sum()
        kept = min(int(np.searchsorted(shares, dimensions)) + 1, len(values))
    else:
        raise ValueError(
            f"dimensions must be an int from 1 to {len(values)}, or a share of variance in (0, 1), not {dimensions}"
        )
    return Subspace(np.asarray(origin, np.float64), vectors[:, :kept], values[:kept])


def residual_norm(states: NDArray[np.floating], subspace: Subspace) -> Floats:
    """‖y − P Pᵀ y‖ with y = x − origin, (n,): how far a state is from the subspace.

    Around the mean it is PCA's reconstruction error; around ViM's origin its "residual".
    """
    centred = check_states(states, width=len(subspace.origin)) - subspace.origin
    outside = centred - (centred @ subspace.directions) @ subspace.directions.T
    return np.asarray(np.sqrt((outside**2).sum(axis=1)))


def vim_origin(weights: NDArray[np.floating], bias: NDArray[np.floating] | None) -> Floats:
    """−W⁺ b, the state whose logits are as small as they get, (d,); zeros for a head without bias.

    Args:
        weights: (C, d).
        bias: (C,).
    """
    matrix = check_states(weights, "weights")
    if bias is None:
        return np.zeros(matrix.shape[1])
    # Rows that add up to 0 leave a singular value that is nothing but rounding, whose inverse would be all there is.
    inverse = np.linalg.pinv(matrix, rcond=ROUNDING)
    return np.asarray(-inverse @ np.asarray(bias, np.float64), np.float64)


def vim_subspace(moments: Moments, origin: Floats, dimensions: float | None = None) -> Subspace:
    """The principal subspace around ViM's origin: of Σ (x − o)(x − o)ᵀ / n, not centred at the mean.

    Args:
        moments: of all ID states, such as `StateStatistics.overall()`.
        origin: (d,).
        dimensions: as `principal_subspace` takes it. By default as published, 1,000 of 2,048 dimensions or more and 512
            of fewer; where there are no more than 512, as many as hold nine tenths of the variance, which is ours.
    """
    width = len(origin)
    usual: float = 1000 if width >= 2048 else 512 if width > 512 else 0.9
    return principal_subspace(
        second_moment_about(moments, origin), origin, usual if dimensions is None else dimensions
    )


def vim_scaled(states: NDArray[np.floating], logits: NDArray[np.floating], subspace: Subspace) -> Vim:
    """ViM with α = mean max logit / mean residual over ID states, which puts a residual on the scale of logits.

    Raises:
        ValueError: the mean max logit isn't positive, and α would turn the score round, or no state has a residual.
    """
    highest = float(check_states(logits, "logits").max(axis=1).mean())
    residual = float(residual_norm(states, subspace).mean())
    if highest <= 0.0:
        raise ValueError(
            f"the mean max logit is {highest:.4g}: ViM needs it above 0; use the residual alone, "
            "or logits that are centred over the classes"
        )
    if not residual > 1e-12 * np.sqrt(subspace.variances.sum()):
        raise ValueError("no state has a part outside the subspace: take fewer dimensions")
    return Vim(subspace, highest / residual)


def vim(states: NDArray[np.floating], logits: NDArray[np.floating], fitted: Vim) -> Floats:
    """α·‖residual‖ − log Σ_c e^{z_c}, (n,): the energy, with the residual as one logit against all others.

    Source: Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching" (CVPR 2022), negated.
    """
    return fitted.alpha * residual_norm(states, fitted.subspace) - log_sum(check_states(logits, "logits"))


def fit_neco(moments: Moments, dimensions: float) -> Neco:
    """Standardisation and principal directions of ID states.

    A feature that doesn't vary is left on its scale: it is 0 for ID states, and tells others apart.

    Args:
        moments: of all ID states.
        dimensions: as `principal_subspace` takes it; the publication tunes it, and suggests 0.9.
    """
    variances = np.diag(moments.scatter) / moments.samples
    scale = np.sqrt(variances)
    # Rounding varies, too.
    constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(moments.mean)
    scale = np.where(constant | (scale == 0), 1.0, scale)
    correlation = moments.scatter / moments.samples / np.outer(scale, scale)
    subspace = principal_subspace(correlation, np.zeros(len(scale)), dimensions)
    return Neco(moments.mean, scale, subspace.directions)


def neco(
    states: NDArray[np.floating], fitted: Neco, max_logits: NDArray[np.floating] | None = None
) -> Floats:
    """−‖Pᵀ h‖ / ‖h‖ of standardised states h, from −1 (inside the subspace) to 0 (orthogonal to it), (n,).

    Source: Ammar et al., "NECO: NEural Collapse Based Out-of-distribution detection" (ICLR 2024), negated. They
    multiply by the max logit for transformers, which turns the order round where it is negative.

    Args:
        max_logits: (n,): multiply by log(1 + e^z) of it, which keeps both the order and the sign; None: don't.

    Returns:
        (n,); a state that is the mean itself lies in every subspace, and has ratio 1.
    """
    rows = (check_states(states, width=len(fitted.mean)) - fitted.mean) / fitted.scale
    inside, length = (np.sqrt((part**2).sum(axis=1)) for part in (rows @ fitted.directions, rows))
    ratio = np.minimum(np.divide(inside, length, out=np.ones(len(rows)), where=length > 0), 1.0)
    if max_logits is None:
        return np.asarray(-ratio)
    return np.asarray(-ratio * np.logaddexp(0.0, np.asarray(max_logits, np.float64)))
