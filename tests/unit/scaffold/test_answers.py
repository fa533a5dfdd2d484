"""Which rule right answers ask for."""

from __future__ import annotations

from typing import Any

import pytest

from llmood.judging.base import rules
from llmood.scaffold.answers import rule_for
from llmood.scaffold.columns import Columns, guess
from llmood.scaffold.make import RULE_COMMENTS

LONG = "the shop opens at nine in the morning and closes late on case "
TURNS = [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "so"}]


def rows(**cells: Any) -> list[dict[str, Any]]:
    return [{"question": "why?", **cells} for _ in range(20)]


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (rows(), None),
        (rows(label="billing"), None),  # what a question is about is no answer to it
        (rows(answer="Paris"), "exact_match"),
        (rows(answer="12 coins"), "exact_match"),
        (rows(answer=["1,234.5", "none"]), "numeric_match"),
        (rows(answer=12), "numeric_match"),
        (rows(answer=0.5), "numeric_match"),
        (rows(answer="$ 12"), "numeric_match"),
        (rows(answer="He sells 2 and 3.\n#### 5"), "numeric_match"),
        (rows(answer="2020-01-02"), "exact_match"),
        ([*rows(answer="12"), *rows(answer="nobody knows")], "exact_match"),
        (rows(answer=LONG), "f1"),
        (rows(answer=[LONG, "at nine"]), "exact_match"),
        (rows(choices=["a dog", "a cat"], answer="B"), "multiple_choice"),
        (rows(choices=["a dog", "a cat"], answer="a cat"), "multiple_choice"),
        (rows(choices=["a dog", "a cat"], answer=1), None),  # no rule counts choices
        ([{"messages": TURNS}] * 20, "exact_match"),
        ([{"messages": TURNS[:1]}] * 20, None),
    ],
)
def test_the_rule_that_fits(given: list[dict[str, Any]], rule: str | None) -> None:
    assert rule_for(guess(given), given) == rule


def test_a_template_is_read_and_rows_without_an_answer_are_passed_over() -> None:
    given = [*rows(right={"value": 3}), *rows()]
    assert (
        rule_for(Columns(prompt="{{ question }}", references="{{ right.value | string }}"), given)
        == "numeric_match"
    )


def test_every_rule_that_is_written_is_one_and_says_what_it_means() -> None:
    assert set(RULE_COMMENTS) <= set(rules.names())
