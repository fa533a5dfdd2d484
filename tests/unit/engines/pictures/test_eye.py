"""What a model's eye makes of pictures: as transformers has it, whatever stands beside a picture, without padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from llmood.engines.base import EMBEDDING, engines, why_never
from llmood.engines.transformers import TransformersEngine
from llmood.records import CaptureSpec
from tests.plain_pictures import plain_eye
from tests.seeing import captured, request_for
from tests.tiny_models import TOLERANCE

SPECS = {role: CaptureSpec.of(EMBEDDING, role) for role in ("base", "tuned")}


def vectors(
    engine: TransformersEngine, images: list[Image.Image], role: str = "base"
) -> list[NDArray[np.float32]]:
    spec = SPECS[role]
    requests = [request_for(engine, f"words {place}", each, spec=spec) for place, each in enumerate(images)]
    return [row["vector"] for row in captured(engine, spec, requests)]


@pytest.mark.parametrize("role", SPECS)
def test_it_is_the_mean_over_the_patches(
    engine: TransformersEngine, folder: Path, adapter: Path, images: list[Image.Image], role: str
) -> None:
    for image, found in zip(images, vectors(engine, images, role), strict=True):
        states = plain_eye(folder, image, adapter if role == "tuned" else None)
        assert found == pytest.approx(states.mean(axis=0), abs=TOLERANCE)


@pytest.mark.parametrize(
    "kind", [name for name in engines.names() if name not in ("transformers", "imported")]
)
def test_other_engines_say_that_they_have_none(kind: str) -> None:
    assert why_never(engines.get(kind), SPECS["base"]) == "it doesn't record that"
