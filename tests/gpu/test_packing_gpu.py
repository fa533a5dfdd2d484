"""torch's kernel for packed texts on a GPU, against each text alone on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmood.engines.base import Request
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import ARCHITECTURES, BASE, TUNED, captured, engine_of, plain_logprobs, rows_of

# Heads of a size that flash attention has, and weights that half precision doesn't blur.
SIZES: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "head_dim": 64,
    "initializer_range": 0.05,
}
ROWS = rows_of(2, 5, 9, 17, 30, 44)
TOLERANCE = 0.25  # a token, in bfloat16 against float32
CHANGES: dict[str, dict[str, Any]] = {
    "llama": {},  # two of its heads hold keys, four ask for them
    "llama with as many keys": {"num_key_value_heads": 4},
    "cohere": {},
    "granite": {},
    "mistral": {"sliding_window": 8},  # shorter than the longest text
}


@pytest.fixture(params=CHANGES)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(ARCHITECTURES, "mistral", ("MistralConfig", ARCHITECTURES["llama"][1]))
    architecture = request.param.split()[0]
    changes = SIZES | CHANGES[request.param]
    return tiny_models.save_model(tmp_path / "base", architecture, tie_word_embeddings=False, **changes)


def test_packed_texts_are_scored_as_each_alone(folder: Path, tmp_path: Path) -> None:
    adapter = tiny_models.save_adapter(tmp_path / "adapter", folder)
    engine = engine_of(folder, {"adapter": str(adapter)}, device="cuda", dtype="bfloat16")
    for spec, path in ((BASE, None), (TUNED, adapter), (BASE, None)):
        for row, found in zip(ROWS, captured(engine, spec, ROWS), strict=True):
            apart = np.abs(np.array(found["logprobs"][1:]) - plain_logprobs(folder, row, path))
            assert apart.max() < TOLERANCE
    assert engine._model("base")._packing is not None


def test_states_of_packed_texts(folder: Path) -> None:
    spec = CaptureSpec.of("hidden_states", "base", layers="all", positions="last_prompt,mean_prompt")
    requests = [Request(row, (("prompt", 0, len(row)),)) for row in ROWS]
    engine = engine_of(folder, device="cuda", dtype="bfloat16")
    expected = engine_of(folder).capture(spec, requests)
    for ours, theirs in zip(engine.capture(spec, requests), expected, strict=True):
        one, other = (np.asarray(each.states, np.float64) for each in (ours, theirs))
        lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
        assert ((one * other).sum(-1) / lengths).min() > 0.99
    assert engine._model("base")._packing is not None
