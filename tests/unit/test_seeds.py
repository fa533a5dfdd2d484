"""Derived seeds are the same for ever: a changed one changes every resample and every carved split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmood.seeds import derive_generator, derive_seed, unit_interval


def test_golden_values() -> None:
    assert derive_seed(0) == 2964727883954193085
    assert derive_seed(0, "sample", 3) == 6256389202629259930
    assert derive_seed(1, "sample", 3) == 4856457161810461175
    assert unit_interval(0, "random", "a") == 0.2782375612978466
    assert derive_generator(7, "x").integers(0, 1000, 4).tolist() == [718, 250, 152, 582]


def test_parts_do_not_run_together() -> None:
    assert derive_seed(0, "ab", "c") != derive_seed(0, "a", "bc")
    assert derive_seed(0, "a") != derive_seed(0, "a", "")
    assert derive_seed(1, 2) != derive_seed(12)


@given(st.integers(0, 2**64), st.lists(st.text() | st.integers()))
def test_seeds_fit_numpy_and_the_unit_interval(seed: int, parts: list[str | int]) -> None:
    parts = [part.encode("utf-8", "replace").decode() if isinstance(part, str) else part for part in parts]
    assert 0 <= derive_seed(seed, *parts) < 2**63
    assert 0.0 <= unit_interval(seed, *parts) < 1.0


def test_an_order_by_hash_looks_uniform() -> None:
    values = [unit_interval(0, "x", number) for number in range(2000)]
    assert abs(sum(values) / 2000 - 0.5) < 0.03  # 4.6 standard deviations of the mean
    assert len(set(values)) == 2000
