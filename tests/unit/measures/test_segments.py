from __future__ import annotations

import math

import numpy as np
import pytest

from llmood.measures.segments import (
    entropy_terms,
    grouped_log_sums,
    label_groups,
    log_sum,
    row_maxima,
    row_means,
    row_sums,
)

VALUES = np.array([9.0, 1.0, 2.0, 6.0, 4.0, 9.0])
OFFSETS = np.array([1, 4, 4, 5])


def test_rows() -> None:
    np.testing.assert_array_equal(row_sums(VALUES, OFFSETS), [9.0, 0.0, 4.0])
    np.testing.assert_array_equal(row_means(VALUES, OFFSETS), [3.0, np.nan, 4.0])
    np.testing.assert_array_equal(row_maxima(VALUES, OFFSETS), [6.0, np.nan, 4.0])
    assert row_maxima(np.zeros(0), np.array([0, 0])).shape == (1,)


@pytest.mark.parametrize("offsets", [[], [0, 7], [3, 2], [-1, 2]])
def test_offsets_that_fit_no_values(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets must rise from 0 or more to at most 6"):
        row_sums(VALUES, np.array(offsets, dtype=int))


def test_log_sums_do_not_overflow() -> None:
    values = np.array([1000.0, 1000.0, -np.inf, -np.inf, -5000.0])
    found = grouped_log_sums(values, np.array([0, 0, 1, 2, 2]), 4)
    np.testing.assert_allclose(found, [1000 + math.log(2), -np.inf, -5000.0, -np.inf])
    np.testing.assert_allclose(log_sum(values[:2]), 1000 + math.log(2))
    assert np.isneginf(log_sum(np.full((2, 3), -np.inf))).all()
    assert np.isneginf(log_sum(np.zeros((2, 0)))).all()


def test_labels_are_numbered_within_their_row() -> None:
    groups = label_groups(np.array([0, 0, 1, 1, 1]), np.array([5, -2, 5, 5, 0]))
    assert groups.row.tolist() == [0, 0, 1, 1]
    assert groups.of_entry.tolist() == [1, 0, 3, 3, 2]


def test_entropy_terms() -> None:
    np.testing.assert_allclose(entropy_terms(np.array([0.0, 0.5, 1.0])), [0.0, 0.5 * math.log(2), 0.0])
