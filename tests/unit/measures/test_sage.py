from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gmean, kstest

from llmood.measures.sage import rank_p_values, sage


def test_by_hand() -> None:
    reference = np.array([1.0, 2.0, 2.0, 5.0])
    # As high or higher: 4, 3 (ties count), 1, 0.
    found = rank_p_values(np.array([0.0, 2.0, 3.0, np.inf]), reference)
    np.testing.assert_allclose(found, [1.0, 0.8, 0.4, 0.2])


def test_held_out_id_scores_have_uniform_p_values() -> None:
    generator = np.random.default_rng(0)
    found = rank_p_values(generator.normal(size=2000), generator.normal(size=2000))
    assert kstest(found, "uniform").statistic < 0.06


def test_the_geometric_mean() -> None:
    generator = np.random.default_rng(1)
    scores, references = generator.normal(size=(3, 7)), generator.normal(size=(3, 50))
    p_values = [rank_p_values(one, known) for one, known in zip(scores, references, strict=True)]
    np.testing.assert_allclose(
        sage(list(scores), list(references)), -np.log(gmean(p_values, axis=0)), rtol=1e-12
    )


def test_one_extreme_score_does_not_decide_alone() -> None:
    reference = np.arange(99.0)
    found = sage([np.array([1e9, 98.0]), np.array([0.0, 98.0])], [reference, reference])
    np.testing.assert_allclose(found, [-np.log(0.01) / 2, -np.log(0.02)])


@given(st.lists(st.integers(-3, 3), min_size=1), st.lists(st.integers(-3, 3), min_size=1))
def test_a_monotone_transform_changes_nothing(scores: list[int], reference: list[int]) -> None:
    values, known = np.array(scores, float), np.array(reference, float)
    found = rank_p_values(values, known)
    np.testing.assert_array_equal(found, rank_p_values(np.exp(values), np.exp(known)))
    assert ((found >= 1 / (len(known) + 1)) & (found <= 1)).all()


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="without NaN"):
        rank_p_values(np.array([np.nan]), np.zeros(3))
    with pytest.raises(ValueError, match="nothing to rank against"):
        rank_p_values(np.zeros(2), np.zeros(0))
    with pytest.raises(ValueError, match="2 scores and 1 references"):
        sage([np.zeros(2), np.zeros(2)], [np.zeros(3)])


def test_rounding_decides_no_tie() -> None:
    reference = np.array([0.1, 0.2, 0.3])
    for value in (0.2, np.nextafter(0.2, 1.0), np.nextafter(0.2, 0.0)):
        assert rank_p_values(np.array([value]), reference)[0] == 3 / 4
