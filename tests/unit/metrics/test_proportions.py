"""The interval of a difference of shares: Newcombe's own examples, and what he says of its ends."""

from __future__ import annotations

import pytest

from llmood.metrics.proportions import difference_of_shares


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Newcombe (1998), table II, method 10.
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0000)),
        ((10, 10), (0, 10), (0.6075, 1.0000)),
    ],
)
def test_published_examples(
    first: tuple[int, int], second: tuple[int, int], expected: tuple[float, float]
) -> None:
    assert difference_of_shares(first, second) == pytest.approx(expected, abs=5e-5)


def test_the_other_way_round_is_its_mirror() -> None:
    low, high = difference_of_shares((7, 9), (11, 30))
    assert difference_of_shares((11, 30), (7, 9)) == pytest.approx((-high, -low))


def test_a_wider_level_is_a_wider_interval() -> None:
    narrow, wide = (difference_of_shares((5, 10), (3, 10), level) for level in (0.8, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("share", [(0, 0), (3, 2), (-1, 2)])
def test_no_share(share: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least one and no more than all"):
        difference_of_shares(share, (1, 2))
