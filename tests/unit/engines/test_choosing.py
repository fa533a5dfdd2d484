"""From logits to tokens: the inverse of a cumulative distribution, the nucleus, exact entropies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from llmood.engines.decoding import Decoding
from llmood.engines.models.choosing import (
    Chooser,
    Vocabulary,
    from_uniform,
    inverse_cdf,
    nucleus,
    uniforms_of,
)
from llmood.measures.token_entropy import (
    fisher_rao_from_uniform,
    renyi_divergence_from_uniform,
    self_certainty,
)


def logits_of(rows: int = 50, size: int = 300, spread: float = 3.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(rows, size)) * spread)


def test_entropy_is_that_of_the_whole_vocabulary() -> None:
    logits = logits_of().float()
    logprobs = logits.double().log_softmax(dim=-1)
    expected = -(logprobs.exp() * logprobs).sum(dim=-1)
    assert Vocabulary.of(logits).entropy() == pytest.approx(expected.numpy(), abs=1e-12)
    assert Vocabulary.of(torch.zeros(1, 128_000)).entropy().item() == pytest.approx(
        np.log(128_000), abs=1e-12
    )
    certain = torch.tensor([[0.0, -torch.inf, -1e6, -torch.inf]])
    assert Vocabulary.of(certain).entropy().tolist() == [0.0]


def test_how_far_from_uniform_is_as_measured() -> None:
    logits = logits_of().float()
    logprobs = logits.double().log_softmax(dim=-1).numpy()
    found = from_uniform(Vocabulary.of(logits)).numpy()
    for column, measure in enumerate(
        (self_certainty, renyi_divergence_from_uniform, fisher_rao_from_uniform)
    ):
        np.testing.assert_allclose(found[:, column], measure(logprobs), atol=1e-9)
    flat = from_uniform(Vocabulary.of(torch.zeros(1, 128_000)))
    assert flat.numpy() == pytest.approx(np.zeros((1, 3)), abs=1e-6)
    # All mass on one of four: D is log 4, and the angle between (1, 0, 0, 0) and (½, ½, ½, ½) is a third of π.
    certain = from_uniform(Vocabulary.of(torch.tensor([[0.0, -torch.inf, -torch.inf, -torch.inf]])))
    assert certain.numpy() == pytest.approx(np.array([[np.inf, np.log(4), 2 / 3]]))


def test_logits_are_left_as_they_are() -> None:
    logits = logits_of()
    before = logits.clone()
    Vocabulary.of(logits).entropy()
    assert torch.equal(logits, before)


def test_what_is_drawn_has_the_distribution_of_its_temperature() -> None:
    logits = torch.tensor([1.0, -torch.inf, 0.0, 2.0])
    uniforms = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    for temperature in (0.5, 1.0, 2.0):
        weights = Vocabulary.of(logits.expand(10_000, 4)).tempered(temperature)
        share = torch.bincount(inverse_cdf(weights, uniforms), minlength=4) / 10_000
        assert share == pytest.approx((logits / temperature).softmax(dim=0).numpy(), abs=2e-4)


def test_a_token_without_probability_is_never_drawn() -> None:
    weights = torch.tensor([[0.0, 1.0, 0.0, 1e-300, 0.0]], dtype=torch.float64)
    almost_one = np.nextafter(1.0, 0.0)
    for uniform in (0.0, 0.3, almost_one):
        assert inverse_cdf(weights, torch.tensor([uniform], dtype=torch.float64)).tolist() == [1]
    thirds = torch.full((1, 3), 1 / 3, dtype=torch.float64)
    assert inverse_cdf(thirds, torch.tensor([almost_one], dtype=torch.float64)).tolist() == [2]


def test_the_nucleus_is_the_smallest_set_with_its_mass() -> None:
    weights = torch.tensor([[5.0, 1.0, 3.0, 1.0]], dtype=torch.float64)
    assert nucleus(weights, 0.5).tolist() == [[5, 0, 0, 0]]
    assert nucleus(weights, 0.51).tolist() == [[5, 0, 3, 0]]
    assert nucleus(weights, 0.81).tolist() == [[5, 1, 3, 1]]  # equals come together
    assert nucleus(weights, 1.0) is weights
    random = Vocabulary.of(logits_of()).weights
    for top_p in (0.1, 0.9, 0.999):
        kept = nucleus(random, top_p)
        share = kept.sum(dim=-1) / random.sum(dim=-1)
        assert (share >= top_p).all()
        without_last = kept.sum(dim=-1) - kept.where(kept > 0, torch.inf).amin(dim=-1)
        assert (without_last < top_p * random.sum(dim=-1)).all()


def test_uniforms_are_the_rows_own() -> None:
    many = uniforms_of([3, 4, 5], 7)
    assert np.array_equal(uniforms_of([5], 7)[0], many[2])
    assert np.array_equal(uniforms_of([5], 3)[0], many[2, :3])  # one a step, however many steps there may be
    assert ((many >= 0) & (many < 1)).all()


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_choice_depends_on_no_other_row(temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, seeds = logits_of(), list(range(50))
    decoding = Decoding(1, temperature, 0.9, 4, ())
    rows = np.arange(50)
    together = Chooser(decoding, seeds, 2)(logits, rows, 1)
    alone = [Chooser(decoding, [seed], 2)(logits[seed : seed + 1], rows[:1], 1) for seed in seeds]
    assert together.ids.tolist() == [each.ids.item() for each in alone]
    backwards = Chooser(decoding, seeds, 2)(logits.flip(0), rows[::-1].copy(), 1)
    assert together.ids.tolist() == backwards.ids.flip(0).tolist()
    monkeypatch.setattr("llmood.engines.models.choosing.AT_ONCE", 7 * 300)
    few = Chooser(decoding, seeds, 2)(logits, rows, 1)
    for whole, part in zip(together.columns, few.columns, strict=True):
        assert torch.equal(whole, part)
    assert together.top_ids.shape == (50, 4)
    assert (together.top_logprobs.diff(dim=-1) <= 0).all()


def test_greedy_takes_the_first_of_equals() -> None:
    logits = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
    chosen = Chooser(Decoding(1, 0.0, 1.0, 0, ()), [], 1)(logits, np.arange(2), 0)
    assert chosen.ids.tolist() == logits.argmax(dim=-1).tolist() == [1, 0]
    assert chosen.top_ids.shape == (2, 0)


def test_no_number_is_no_crash() -> None:
    chosen = Chooser(Decoding(1, 1.0, 0.9, 0, ()), [0], 1)(torch.full((1, 5), torch.nan), np.arange(1), 0)
    assert torch.isnan(chosen.logprobs).all()
