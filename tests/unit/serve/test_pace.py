"""How long a batch takes, learned from those of late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.serve.pace import Pace


def test_nothing_is_known_before_a_batch_was_seen() -> None:
    assert Pace().seconds(3) == 0.0
    assert Pace().rows_within(0.1, 64) == 64


def test_sizes_are_learned_apart_and_the_newest_counts_for_a_quarter() -> None:
    pace = Pace()
    pace.note(1, 0.010)
    pace.note(64, 0.080)
    assert (pace.seconds(1), pace.seconds(64)) == (0.010, 0.080)
    pace.note(64, 0.180)
    expected = 0.080 + 0.25 * 0.100 + 2 * 0.25 * 0.100  # the mean, and two mean deviations
    assert pace.seconds(64) == pytest.approx(expected)
    assert pace.seconds(33) == pace.seconds(64)  # of the same power of two
    assert pace.seconds(256) == pytest.approx(4 * expected)
    assert pace.seconds(0) == 0.0


def test_a_smaller_batch_than_any_that_was_seen_is_no_quicker() -> None:
    pace = Pace()
    pace.note(64, 0.080)
    assert pace.seconds(2) == 0.080


def test_a_batch_is_as_large_as_its_time_allows() -> None:
    pace = Pace()
    for rows in (1, 2, 4, 8, 16, 32, 64):
        pace.note(rows, 0.01 * rows)
    assert pace.rows_within(1.0, 64) == 64
    assert pace.rows_within(0.33, 64) == 32
    assert pace.rows_within(0.001, 64) == 1


@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0, 10)), min_size=1), st.integers(1, 300))
def test_an_estimate_is_never_below_the_fastest_batch(batches: list[tuple[int, float]], rows: int) -> None:
    pace = Pace()
    for size, seconds in batches:
        pace.note(size, seconds)
    assert pace.seconds(rows) >= min(seconds for _, seconds in batches) * (1 - 1e-12)


def test_between_two_sizes_a_row_costs_as_much_as_the_line_says() -> None:
    pace = Pace()
    pace.note(1, 0.02)
    pace.note(64, 0.27)
    assert pace.seconds(32) == pytest.approx(0.02 + 0.25 * 31 / 63)
    assert pace.rows_within(0.25, 64) == 32  # and not 1, which would never learn of any other


def test_a_hiccup_is_forgotten_once_smaller_batches_are_quick() -> None:
    pace = Pace()
    pace.note(32, 0.1)
    pace.note(32, 3.0)
    pace.note(16, 0.06)
    assert pace.rows_within(0.25, 32) == 32
    assert pace.seconds(32) == pytest.approx(0.12)


def test_a_machine_that_slows_down_keeps_what_large_batches_take() -> None:
    pace = Pace()
    pace.note(64, 0.5)
    pace.note(1, 0.02)
    assert pace.seconds(64) == pytest.approx(0.5)
