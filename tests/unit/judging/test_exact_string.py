"""Exact string: letters, and nothing forgiven but case and spaces."""

from __future__ import annotations

import pytest

from llmood.judging.exact_string import exact_string


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("Upper Right", "upper right", True),
        (" upper  right\n", "Upper Right", True),
        ("A-1", "A1", False),
        ("the sea", "sea", False),  # articles count
        ("sea.", "sea", False),
        ("\uff21\uff22", "ab", True),  # letters of another width are one
    ],
)
def test_letters(answer: str, reference: str, right: bool) -> None:
    assert exact_string(answer, [reference]).correct is right
    assert exact_string(answer, ["nothing like it", reference]).correct is right
