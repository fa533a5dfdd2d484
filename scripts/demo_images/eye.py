"""Seeing before speaking: the picture's side learns what stands where, by a classifier that is then thrown away.

Words alone teach a small model to see too, with some ten times as many pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from transformers import Idefics3ForConditionalGeneration

from demo_images.batches import pixels
from demo_images.scenes import COLOURS, PLACES, SHAPES, Flag, Scene, corner_colour
from demo_images.stream import Shown

NOTHING = "nothing"
WHAT = (NOTHING, *SHAPES, "horizontal", "vertical", "nordic")
WHICH = (NOTHING, *COLOURS)


class Judged(NamedTuple):
    """What a model says of a batch, as trainers ask for it."""

    loss: torch.Tensor


class Eye(nn.Module):
    """The picture's side of a model and, on its tokens, two classifiers a place."""

    def __init__(self, model: Idefics3ForConditionalGeneration) -> None:
        super().__init__()
        self.vision, self.connector = model.model.vision_model, model.model.connector
        self._features = model.model.get_image_features
        width = model.config.text_config.hidden_size
        self.what, self.which = nn.Linear(width, len(WHAT)), nn.Linear(width, len(WHICH))

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor) -> Judged:
        """Cross entropy of shape and colour at the four places; labels (batch, 4, 2)."""
        found = quarters(self._features(pixel_values).pooler_output)
        what = nn.functional.cross_entropy(self.what(found).flatten(0, 1), labels[..., 0].flatten())
        which = nn.functional.cross_entropy(self.which(found).flatten(0, 1), labels[..., 1].flatten())
        return Judged(what + which)


def quarters(tokens: torch.Tensor) -> torch.Tensor:
    """Means over the quarters of a square of tokens, row by row: (batch, n², width) to (batch, 4, width)."""
    batch, count, width = tokens.shape
    half = round(count**0.5) // 2
    return tokens.view(batch, 2, half, 2, half, width).mean(dim=(2, 4)).flatten(1, 2)


def labels(shown: Sequence[Shown]) -> torch.Tensor:
    """(batch, 4, 2): what is at each place, and of which colour."""
    return torch.tensor([_labels(one.picture) for one in shown])


def _labels(picture: Scene | Flag) -> list[list[int]]:
    if isinstance(picture, Flag):
        return [[WHAT.index(picture.pattern), WHICH.index(corner_colour(picture, place))] for place in PLACES]
    found = [[0, 0] for _ in PLACES]
    for thing in picture.things:
        found[thing.place] = [WHAT.index(thing.shape), WHICH.index(thing.colour)]
    return found


def batch(shown: Sequence[Shown]) -> dict[str, torch.Tensor]:
    """What `Eye` takes."""
    return {"pixel_values": pixels(shown), "labels": labels(shown)}
