"""A tiny model of each kind that sees, alone and tuned, and pictures to show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from llmood.engines.transformers import TransformersEngine
from tests.pictures import demo_pictures, speckled
from tests.tiny_models import engine_of
from tests.tiny_pictures import save_picture_adapter
from tests.tiny_qwen import EACH_KIND, KINDS


@pytest.fixture(scope="module", params=EACH_KIND)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS[kind](tmp_path_factory.mktemp("sees"))


@pytest.fixture(scope="module")
def adapter(folder: Path) -> Path:
    return save_picture_adapter(folder / "adapter", folder)


@pytest.fixture(scope="module")
def engine(folder: Path, adapter: Path) -> Iterator[TransformersEngine]:
    made = engine_of(folder, {"adapter": str(adapter)})
    yield made
    made.close()


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    """Of two shapes: one has fewer tiles, or is padded to a square."""
    return [*demo_pictures(2), speckled(64, 32)]
