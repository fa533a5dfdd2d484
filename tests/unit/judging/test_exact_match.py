"""Exact match with SQuAD's normalisation."""

from __future__ import annotations

import pytest

from llmood.judging.exact_match import exact_match
from llmood.records import EMPTY_ANSWER, NO_REFERENCE


@pytest.mark.parametrize(
    ("answer", "references", "correct"),
    [
        (" The Hague.", ["Paris", "hague"], True),
        ("The Hague, Netherlands", ["hague"], False),
        ("МОСКВА!", ["Москва"], True),
        ("Москва", ["Киев"], False),
        ("東京。", ["東京"], True),
        ("北京", ["東京"], False),
        # What normalises to nothing is compared as it stands.
        ("...", ["+"], False),
        (" + ", ["+"], True),
        ("the", ["the "], True),
        ("the", ["a"], False),
    ],
)
def test_exact_match(answer: str, references: list[str], correct: bool) -> None:
    assert exact_match(answer, references) == (correct, float(correct), None)


def test_without_a_reference_it_is_undefined() -> None:
    assert exact_match("anything", []) == (None, None, NO_REFERENCE)


@pytest.mark.parametrize("answer", ["", "  ", "\n\u2003"])
def test_an_empty_answer_is_wrong(answer: str) -> None:
    assert exact_match(answer, ["the"]) == exact_match(answer, [""]) == (False, 0.0, EMPTY_ANSWER)
