"""A budget is never overdrawn, and says when nothing will fit any more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.engines.server.budget import Budget, BudgetError


def test_without_bounds_everything_fits() -> None:
    budget = Budget()
    assert all(budget.reserve(10**9) for _ in range(100))


def test_requests_are_counted_whatever_becomes_of_them() -> None:
    budget = Budget(max_requests=2)
    assert budget.reserve(5)
    budget.settle(5, 0)
    assert budget.reserve(5)
    with pytest.raises(BudgetError, match=r"2 requests \(engine.server.max_requests\)"):
        budget.reserve(5)


def test_tokens_that_were_reserved_and_not_used_come_back() -> None:
    budget = Budget(max_tokens=100)
    assert budget.reserve(60)
    assert not budget.reserve(60)  # what is on its way may leave room
    budget.settle(60, 20)
    assert budget.reserve(60)
    budget.settle(60, 60)
    with pytest.raises(BudgetError, match=r"80 of 100 tokens \(engine.server.max_tokens\)"):
        budget.reserve(21)
    assert budget.reserve(20)


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=40))
def test_it_is_never_overdrawn(most: int, wishes: list[tuple[int, bool]]) -> None:
    budget = Budget(max_tokens=most)
    on_its_way: list[int] = []
    for tokens, comes_back in wishes:
        try:
            if budget.reserve(tokens):
                on_its_way.append(tokens)
        except BudgetError:
            assert not on_its_way
            assert budget.tokens + tokens > most
        if comes_back and on_its_way:
            done = on_its_way.pop()
            budget.settle(done, done)
        assert budget.tokens + sum(on_its_way) <= most
