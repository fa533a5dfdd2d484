"""The tiny models, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny_models


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="session")
def llama(made: Path) -> Path:
    return tiny_models.save_model(made / "llama")


@pytest.fixture(scope="session")
def other_llama(made: Path) -> Path:
    """The same architecture with other weights: full weights of a tuned model."""
    return tiny_models.save_model(made / "other", seed=7)


@pytest.fixture(scope="session")
def adapter(made: Path, llama: Path) -> Path:
    return tiny_models.save_adapter(made / "adapter", llama)
