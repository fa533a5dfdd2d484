"""Mean and spread of log p over the vocabulary: against plain float64, with masked words and large gaps too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from llmood.engines.models.of_logits import logprob_moments
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import ARCHITECTURES, ROWS, TOLERANCE, captured, engine_of, far

MOMENTS = CaptureSpec.of("prompt_moments", "base")


def plain_moments(logits: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As the source writes it: μ = Σ p log p, σ² = Σ p (log p)² − μ²; words of probability zero left out."""
    mean, std = [], []
    for row in logits:
        logprobs = row - row.max() - np.log(np.exp(row - row.max()).sum())
        logprobs = logprobs[np.exp(logprobs) > 0]
        probability = np.exp(logprobs)
        mean.append((probability * logprobs).sum())
        std.append(np.sqrt(max((probability * logprobs**2).sum() - mean[-1] ** 2, 0.0)))
    return np.array(mean), np.array(std)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_alone_in_a_padded_batch_and_in_float64(architecture: str, tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    engine = engine_of(folder)
    together = captured(engine, MOMENTS, ROWS)
    model = tiny_models.plain_model(folder)
    for row, values in zip(ROWS, together, strict=True):
        mean, std = plain_moments(tiny_models.plain_logits(model, row)[:-1])
        alone = captured(engine, MOMENTS, [row])[0]
        for name, theirs in (("logprob_mean", mean), ("logprob_std", std)):
            assert values[name][0] is None
            assert far(values[name], alone[name]) < TOLERANCE
            assert far(values[name][1:], theirs.tolist()) < TOLERANCE


def test_a_head_that_is_left_to_the_model_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(tiny_models.save_model(tmp_path))
    expected = captured(engine, MOMENTS, ROWS)
    monkeypatch.setattr(engine._model("base"), "_head", None)
    monkeypatch.setattr("llmood.engines.models.causal_lm.LEAST_ROWS", 4)
    for ours, theirs in zip(captured(engine, MOMENTS, ROWS), expected, strict=True):
        for name, values in theirs.items():
            assert far(ours[name], values) < TOLERANCE


def test_worked_by_hand() -> None:
    # p = (1/2, 1/4, 1/4): log p = −ln 2 · (1, 2, 2), so μ = −1.5 ln 2 and σ² = ln² 2 · (0.5 + 2 − 2.25).
    logits = torch.tensor([[0.0, -np.log(2), -np.log(2)]], dtype=torch.float64)
    mean, std = logprob_moments(logits)[0].tolist()
    assert mean == pytest.approx(-1.5 * np.log(2))
    assert std == pytest.approx(0.5 * np.log(2))


@pytest.mark.parametrize(
    ("logits", "mean", "std"),
    [
        ([0.0, 0.0, -np.inf, -np.inf], -np.log(2), 0.0),  # a masked vocabulary
        ([5.0, -np.inf, -np.inf], 0.0, 0.0),
        ([0.0] * 4, -np.log(4), 0.0),
        ([0.0, -1e4, -1e4], 0.0, 0.0),  # what underflows
    ],
)
def test_probability_zero_has_no_part_in_it(logits: list[float], mean: float, std: float) -> None:
    ours = logprob_moments(torch.tensor([logits]))[0].tolist()
    assert ours == pytest.approx([mean, std], abs=1e-6)


def test_a_large_vocabulary_and_a_wide_range_in_float32() -> None:
    generator = np.random.default_rng(0)
    for spread in (0.01, 1.0, 10.0, 60.0):
        logits = generator.normal(20.0, spread, size=(5, 50_000))
        ours = logprob_moments(torch.tensor(logits, dtype=torch.float32)).double().numpy()
        mean, std = plain_moments(np.asarray(logits, np.float32).astype(np.float64))
        np.testing.assert_allclose(ours[:, 0], mean, atol=TOLERANCE)
        np.testing.assert_allclose(ours[:, 1], std, atol=TOLERANCE)


def test_what_is_not_a_number_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmood.engines.base import Request

    engine = engine_of(tiny_models.save_model(tmp_path))
    head: Any = engine._model("base")._head
    monkeypatch.setattr(head, "scale", float("nan"))
    (result,) = engine.capture(MOMENTS, [Request(ROWS[2])])
    assert result.status == "failed"
    assert "not a number" in (result.reason or "")
