"""The tiny models, made once; and the engine on the stub server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmood.config import EngineConfig, Models
from tests import tiny_models
from tests.stub_server import Stub

if TYPE_CHECKING:
    from llmood.engines.openai import OpenAIEngine


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


@pytest.fixture
def make(stub: Stub, fake_tokenizer: Path) -> Callable[..., OpenAIEngine]:
    """Engines on the stub, with what an `engine.server` section says besides its address."""
    from llmood.engines.openai import OpenAIEngine

    def engine(
        *, base: Any = "base", tuned: Any = "tuned", config: Any = None, **server: Any
    ) -> OpenAIEngine:
        section = {"url": stub.url, "tokenizer": str(fake_tokenizer), "retries": 2, **server}
        return OpenAIEngine(
            EngineConfig.model_validate({"kind": "openai", "server": section, **(config or {})}),
            Models.model_validate({"base": base, "tuned": tuned}),
        )

    return engine
