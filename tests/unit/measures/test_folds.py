"""Folds keep groups whole and kinds apart, whatever the order of the rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmood.measures.folds import FOLDS, each_complement_holds_both, folds_of, least_of_both


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1), st.randoms())
def test_groups_stay_together_in_any_order(rows: list[tuple[int, bool]], random: object) -> None:
    kind = {}
    for number, positive in rows:
        kind.setdefault(number, positive)
    groups = [f"group {number}" for number, _ in rows]
    positive = np.array([kind[number] for number, _ in rows])
    folds = folds_of(groups, positive)
    assert len({(group, fold) for group, fold in zip(groups, folds.tolist(), strict=True)}) == len(kind)
    backwards = folds_of(groups[::-1], positive[::-1])
    assert backwards[::-1].tolist() == folds.tolist()


def test_both_kinds_are_spread_evenly() -> None:
    positive = np.arange(100) < 20
    folds = folds_of([str(number) for number in range(100)], positive)
    assert np.bincount(folds[positive]).tolist() == [4] * FOLDS
    assert np.bincount(folds[~positive]).tolist() == [16] * FOLDS
    assert each_complement_holds_both(folds, positive)
    assert least_of_both(positive) == 20


def test_one_group_of_a_kind_is_too_few() -> None:
    positive = np.arange(10) < 2
    folds = folds_of(["a", "a", *"bcdefghi"], positive)
    assert not each_complement_holds_both(folds, positive)
    assert not each_complement_holds_both(np.zeros(10, np.int64), positive)
