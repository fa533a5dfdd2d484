from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.eigenscore import eigenscore


def test_the_published_code_s_numbers() -> None:
    draws = np.random.default_rng(0).normal(size=(5, 8)) + 3
    singular = np.linalg.svd(np.cov(draws) + 1e-3 * np.eye(5))[1]
    assert eigenscore(draws) == pytest.approx(np.mean(np.log10(singular)) * math.log(10), rel=1e-9)


def test_by_hand() -> None:
    # Two draws of variances 1 and 3, uncorrelated over their dimensions.
    draws = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])
    expected = (math.log(1.5) + math.log(3.5)) / 2
    assert eigenscore(draws, 0.5) == pytest.approx(expected, rel=1e-12)


def test_equal_draws_leave_one_direction() -> None:
    draws = np.tile([1.0, 2.0, 6.0], (4, 1))
    expected = (math.log(4 * 7 + 1e-3) + 3 * math.log(1e-3)) / 4
    assert eigenscore(draws) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 99))
def test_spread_raises_it_and_order_and_offset_do_not_matter(seed: int) -> None:
    generator = np.random.default_rng(seed)
    draws = generator.normal(size=(6, 10))
    assert eigenscore(draws) > eigenscore(draws.mean(axis=0) + 0.1 * (draws - draws.mean(axis=0)))
    assert eigenscore(draws[::-1] + 5) == pytest.approx(float(eigenscore(draws)), rel=1e-9)


def test_questions_side_by_side() -> None:
    draws = np.random.default_rng(1).normal(size=(3, 4, 6))
    np.testing.assert_allclose(eigenscore(draws), [eigenscore(one) for one in draws], rtol=1e-12)


def test_more_draws_than_dimensions_stay_finite() -> None:
    assert np.isfinite(eigenscore(np.random.default_rng(2).normal(size=(10, 3))))


def test_one_draw_is_undefined_and_bad_input_refused() -> None:
    assert np.isnan(eigenscore(np.ones((1, 3))))
    with pytest.raises(ValueError, match="alpha must be above 0"):
        eigenscore(np.ones((2, 3)), 0.0)
    with pytest.raises(ValueError, match="shape"):
        eigenscore(np.ones((0, 3)))
    with pytest.raises(ValueError, match="NaN"):
        eigenscore(np.full((2, 3), np.nan))
