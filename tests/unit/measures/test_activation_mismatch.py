from __future__ import annotations

import numpy as np
import pytest

from llmood.measures.activation_mismatch import ActivationStatistics, activation_mismatch, statistics_of


def test_by_hand() -> None:
    # Means (1, 0) and (2, 2), variances (1, 0) and (4, 0): (1 + 2)/2 + (3 + 0)/2.
    one, other = statistics_of([[0.0, 0.0], [2.0, 0.0]]), statistics_of([[0.0, 2.0], [4.0, 2.0]])
    assert activation_mismatch([one], [other]) == 3.0
    assert activation_mismatch([one, one], [other, other]) == 6.0
    assert activation_mismatch([one, other], [one, other]) == 0.0


@pytest.mark.parametrize("size", [1, 3, 50])
def test_chunks_give_what_the_whole_gives_far_from_the_origin(size: int) -> None:
    rows = 1e6 + np.random.default_rng(0).normal(size=(50, 4))
    found = ActivationStatistics()
    for start in range(0, len(rows), size):
        found.update(rows[start : start + size])
    assert found.n == 50
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.variance, rows.var(axis=0), rtol=1e-7)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="be finite"):
        statistics_of([[0.0, np.nan]])
    with pytest.raises(ValueError, match="of both"):
        activation_mismatch([statistics_of(np.zeros((0, 2)))], [statistics_of([[1.0, 2.0]])])
    with pytest.raises(ValueError, match="of the same size"):
        activation_mismatch([statistics_of([[1.0]])], [statistics_of([[1.0, 2.0]])])
    with pytest.raises(ValueError, match="shorter"):
        activation_mismatch([statistics_of([[1.0]])], [])
