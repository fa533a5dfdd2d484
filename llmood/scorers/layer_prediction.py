"""How far a layer's state is from what a lower layer lets one expect."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmood.measures.layer_prediction import LayerForecast, fit_layer_forecast, layer_prediction_error
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.learned import Learned
from llmood.scorers.representation import Representation
from llmood.scorers.states import EYE, Layer, check_layer


@register("layer_prediction", {"": {}, ".base": {"states": "base"}})
class LayerPrediction(Representation):
    """The length of what a linear forecast of a layer's state, made of a lower layer's, gets wrong.

    Formula: `measures.layer_prediction`, which is ours. The ridge is relative to the lower states' summed squares.

    Args:
        below: the lower layer, as `layer` names one.
        ridge: how much the forecast shrinks, above 0.
        reading: as in `Representation`; an encoder has no layers, nor has an eye.
    """

    forecast_: LayerForecast

    def __init__(self, *, below: Layer = 0.5, ridge: float = 1e-3, **reading: Any) -> None:
        super().__init__(**reading)
        if self.states == "encoder":
            raise ValueError("an encoder has one embedding and no layers")
        if self.position == EYE:
            raise ValueError("position: an eye has one embedding and no layers")
        check_layer("below", below)
        if str(below) == str(self.layer):
            raise ValueError(f"layer {below} is forecast from itself: name a lower one")
        if not ridge > 0:
            raise ValueError(f"the ridge is a number above 0, not {ridge:g}")
        self.below = below
        self.ridge = ridge

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (self.below, self.layer)

    @property
    def definition(self) -> str | None:
        return f"{super().definition}, from layer {self.below}"

    def learn(self, train: Learned, held: Learned | None) -> None:
        below, above = np.hsplit(train.states, 2)
        scale = float(((below - below.mean(axis=0)) ** 2).sum()) / below.shape[1]
        if not scale:
            raise ValueError("the lower states don't vary")
        self.forecast_ = fit_layer_forecast(below, above, self.ridge * scale)

    def distances(self, states: Floats) -> Floats:
        below, above = np.hsplit(states, 2)
        return layer_prediction_error(below, above, self.forecast_)
