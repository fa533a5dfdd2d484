from __future__ import annotations

import numpy as np
import pytest

from llmood.measures.reservoir import Reservoir


@pytest.mark.parametrize("size", [1, 7, 64, 1_000])
def test_how_the_stream_is_cut_changes_nothing(size: int) -> None:
    rows = np.arange(500.0)
    whole, pieces = Reservoir(20, 3), Reservoir(20, 3)
    whole.update(rows)
    for start in range(0, len(rows), size):
        pieces.update(rows[start : start + size])
    assert pieces.rows.tolist() == whole.rows.tolist()
    assert (len(whole.rows), whole.seen) == (20, 500)
    assert len({*whole.rows.tolist()}) == 20


def test_every_row_is_as_likely() -> None:
    kept = np.zeros(50)
    for seed in range(2_000):
        sample = Reservoir(5, seed)
        sample.update(np.arange(30.0))
        sample.update(np.arange(30.0, 50.0))
        kept[sample.rows.astype(int)] += 1
    assert np.abs(kept / 2_000 - 0.1).max() < 5 * np.sqrt(0.1 * 0.9 / 2_000)


def test_vectors_and_few_rows() -> None:
    sample = Reservoir(5, 0)
    sample.update(np.zeros((0, 2)))
    sample.update(np.ones((3, 2)))
    assert sample.rows.shape == (3, 2)
    with pytest.raises(ValueError, match="at least one row"):
        Reservoir(0, 0)
