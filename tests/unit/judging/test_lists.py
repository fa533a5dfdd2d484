"""Lists in answers: their items, F1 without order, nDCG with it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.judging.items import read_items, readings
from llmood.judging.list_f1 import items_f1, list_f1
from llmood.judging.list_ndcg import list_ndcg, ndcg

ITEMS = st.lists(st.sampled_from("abcdef"), max_size=14)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("red, blue", ["red", "blue"]),
        ("red, blue, and green.", ["red", "blue", "green"]),
        ("['red', \"blue\"]", ["red", "blue"]),
        ('["red, dark", 2.5]', ["red, dark", "2.5"]),
        ("[1,200,300]", ["1", "200", "300"]),
        ("1,234, 5", ["1,234", "5"]),
        ("red; blue, dark", ["red", "blue, dark"]),
        ("1. red\n2) blue\n\n- green", ["red", "blue", "green"]),
        ("red", ["red"]),
        ("[]", []),
        (" , ", []),
        ("[" * 9, ["[" * 9]),
    ],
)
def test_items(text: str, items: list[str]) -> None:
    assert read_items(text) == items


def test_a_last_and_has_two_readings() -> None:
    assert readings("Cuba, Trinidad and Tobago") == [
        ["Cuba", "Trinidad and Tobago"],
        ["Cuba", "Trinidad", "Tobago"],
    ]
    assert readings('["salt and pepper"]') == [["salt and pepper"]]
    assert list_f1("Cuba, Trinidad and Tobago", ["Trinidad and Tobago", "Cuba"]).correct
    assert list_f1("red and blue", ["blue", "red"]).correct


@pytest.mark.parametrize(
    ("said", "wanted", "expected"),
    [
        (["a", "b"], ["b", "a"], 1.0),
        (["a", "b", "c"], ["b", "d"], 2 * 1 / (3 + 2)),  # P = 1/3, R = 1/2: 2·(1/6)/(5/6)
        (["a", "a"], ["a"], 2 * 1 / (2 + 1)),  # the published code counts both, and finds a recall of 2
        (["The Sea"], ["sea."], 1.0),
        ([], ["a"], 0.0),
    ],
)
def test_items_f1(said: list[str], wanted: list[str], expected: float) -> None:
    assert items_f1(said, wanted) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("said", "wanted", "expected"),
    [
        ("abc", "abc", 1.0),
        # (2/log₂2 + 3/log₂3 + 1/log₂4) / (3/log₂2 + 2/log₂3 + 1/log₂4) = 4.39279 / 4.76186
        ("bac", "abc", 0.922494),
        ("a", "abc", 3 / (3 + 2 / math.log2(3) + 0.5)),
        ("xa", "a", 1 / math.log2(3)),
        (
            "aab",
            "ab",
            (2 + 0 + 1 / 2) / (2 + 1 / math.log2(3)),
        ),  # said again, it has no gain, and takes a place
        ("abcx", "abc", 1.0),
        ("x", "abc", 0.0),
        ("", "a", 0.0),
    ],
)
def test_ndcg(said: str, wanted: str, expected: float) -> None:
    assert ndcg(list(said), list(wanted)) == pytest.approx(expected, abs=1e-6)


def test_only_the_first_ten_count() -> None:
    wanted = [f"item {place}" for place in range(12)]
    assert ndcg([*wanted[:10], "x", "y"], wanted) == 1.0
    assert ndcg(wanted[10:] + wanted[:10], wanted) < 1.0


@given(ITEMS, ITEMS.filter(bool))
def test_both_lie_between_0_and_1(said: list[str], wanted: list[str]) -> None:
    assert 0.0 <= items_f1(said, wanted) <= 1.0
    assert 0.0 <= ndcg(said, wanted) <= 1.0
    assert items_f1(said, wanted) == items_f1(wanted, said) == items_f1(said[::-1], wanted)
    assert ndcg(wanted, wanted) == 1.0


def test_rules_have_thresholds() -> None:
    assert list_f1("a, b, c", ["b", "d"]) == (False, pytest.approx(0.4), None)
    assert list_f1("a, b, c", ["b", "d"], threshold=0.4).correct
    assert list_ndcg("b, a, c", ["a", "b", "c"], threshold=0.9) == (
        True,
        pytest.approx(0.922494, abs=1e-6),
        None,
    )
    assert not list_ndcg("b, a, c", ["a", "b", "c"]).correct
    for rule in (list_f1, list_ndcg):
        with pytest.raises(ValueError, match="threshold"):
            rule("a", ["a"], threshold=0.0)
