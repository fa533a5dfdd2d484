"""Which texts a step learns from, and at what rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.training.order import WINDOW, epoch_batches, learning_rate, steps_an_epoch


@given(
    lengths=st.lists(st.integers(2, 50), min_size=1, max_size=120),
    size=st.integers(1, 9),
    seed=st.integers(0, 5),
    epoch=st.integers(1, 4),
)
def test_every_text_is_learned_once_an_epoch(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    batches = epoch_batches(lengths, size, seed=seed, epoch=epoch)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert len(batches) == steps_an_epoch(len(lengths), size)
    assert sorted(map(len, batches), reverse=True)[:-1] == [size] * (len(batches) - 1)
    assert batches == epoch_batches(lengths, size, seed=seed, epoch=epoch)


def test_the_order_is_the_seed_s_and_the_epoch_s() -> None:
    lengths = [5] * 64
    orders = [epoch_batches(lengths, 4, seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (1, 2)]
    assert len({str(order) for order in orders}) == 4


def test_batches_hold_texts_of_similar_lengths_and_come_in_any_order() -> None:
    lengths = [2 + index % 40 for index in range(4 * WINDOW * 8)]
    batches = epoch_batches(lengths, 8, seed=0, epoch=1)
    padded = sum(max(lengths[index] for index in batch) * len(batch) for batch in batches)
    assert padded < 1.15 * sum(lengths)  # at random it would be some 1.8
    means = [sum(lengths[index] for index in batch) / len(batch) for batch in batches]
    assert means != sorted(means)
    assert means[:WINDOW] != sorted(means[:WINDOW])


def test_rates_by_hand() -> None:
    # 10 steps, a share of 0.2 warms up: 0, ½, then half a cosine over 8 steps from 1 to 0.
    rates = [learning_rate(step, total=10, warmup=0.2, peak=2.0) for step in range(11)]
    assert rates[:3] == [0.0, 1.0, 2.0]
    assert rates[6] == pytest.approx(1.0)
    assert rates[10] == pytest.approx(0.0)
    assert learning_rate(0, total=10, warmup=0.0, peak=2.0) == 2.0
    assert learning_rate(0, total=1, warmup=1.0, peak=2.0) == 0.0


@pytest.mark.parametrize(("total", "warmup"), [(10, 0.1), (37, 0.3), (5, 0.0), (8, 1.0)])
def test_rates_are_those_of_transformers_schedule(total: int, warmup: float) -> None:
    import math

    import torch
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=3e-3)
    schedule = get_cosine_schedule_with_warmup(optimizer, math.ceil(warmup * total), total)
    for step in range(total):
        assert learning_rate(step, total=total, warmup=warmup, peak=3e-3) == pytest.approx(
            schedule.get_last_lr()[0], abs=1e-12
        )
        optimizer.step()
        schedule.step()
