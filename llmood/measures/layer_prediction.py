"""How far a layer's state is from what the layer below lets one expect: a linear forecast, fitted on ID states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats


class LayerForecast(NamedTuple):
    """y ≈ (x − `below`) · `weights` + `above`, with the means (d,) and (e,) and weights (d, e)."""

    below: Floats
    above: Floats
    weights: Floats


def fit_layer_forecast(
    below: NDArray[np.floating], above: NDArray[np.floating], ridge: float
) -> LayerForecast:
    """The linear map of least Σ ‖y − ŷ‖² + ridge · ‖W‖², with an intercept that isn't penalised.

    The same as scikit-learn's `Ridge(alpha=ridge)`.

    Args:
        below, above: (n, d) and (n, e) states of the same samples at a layer and at the next one.
        ridge: above 0, on the scale of the states' summed squares; with it, samples may be fewer than dimensions.

    Raises:
        ValueError: NaN, other shapes, no samples, or ridge that isn't above 0.
    """
    x, y = check_states(below, "below"), check_states(above, "above")
    if len(x) != len(y) or not len(x):
        raise ValueError(
            f"below and above must be of the same samples, at least 1, not {len(x)} and {len(y)}"
        )
    if not ridge > 0.0:
        raise ValueError(f"ridge must be above 0, not {ridge}")
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    gram = x.T @ x
    gram[np.diag_indices(len(gram))] += ridge
    return LayerForecast(x_mean, y_mean, np.linalg.solve(gram, x.T @ y))


def layer_prediction_error(
    below: NDArray[np.floating], above: NDArray[np.floating], fitted: LayerForecast
) -> Floats:
    """‖y − ŷ‖, (n,). Higher = more OOD.

    Our own, after the idea that a network's layers hang together differently on inputs that it wasn't trained on.
    """
    x = check_states(below, "below", len(fitted.below))
    y = check_states(above, "above", len(fitted.above))
    if len(x) != len(y):
        raise ValueError(f"below and above must be of the same samples, not {len(x)} and {len(y)}")
    return np.asarray(np.linalg.norm(y - (x - fitted.below) @ fitted.weights - fitted.above, axis=1))
