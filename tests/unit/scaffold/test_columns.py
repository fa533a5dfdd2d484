"""The columns of the files that people have."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.errors import ConfigError
from llmood.scaffold import Columns, guess, text_template
from llmood.tasks.prompt import Template

N = 40


def rows(**columns: Any) -> list[dict[str, Any]]:
    """N rows; a column is a constant, or a function of the row's number."""
    return [
        {name: value(number) if callable(value) else value for name, value in columns.items()}
        for number in range(N)
    ]


def rendered(columns: Columns, row: dict[str, Any]) -> str:
    assert columns.prompt is not None
    return Template(columns.prompt, place="prompt").read(row)


QUESTION = {"question": lambda n: f"what is {n}?"}


def test_questions_and_answers() -> None:
    found = guess(rows(**QUESTION, answers=lambda n: [str(n), n], id=lambda n: n))
    assert found == Columns(prompt="{{ question }}", references="answers", id="id")


def test_alpaca() -> None:
    data = rows(
        instruction=lambda n: f"Do {n}.",
        input=lambda n: f"with {n}" if n % 2 else "",
        output=lambda n: f"done {n}",
    )
    found = guess(data)
    assert found.references == "output"
    assert [rendered(found, row) for row in data[:2]] == ["Do 0.", "Do 1.\n\nwith 1"]
    # Also where some rows leave the empty one out.
    for row in data[::2]:
        del row["input"]
    found = guess(data)
    assert [rendered(found, row) for row in data[:2]] == ["Do 0.", "Do 1.\n\nwith 1"]


def test_dolly() -> None:
    data = rows(
        instruction=lambda n: f"Do {n}.",
        context="",
        response=str,
        category=lambda n: "ab"[n % 2],
    )
    found = guess(data)
    assert (found.references, found.label) == ("response", "category")
    assert rendered(found, data[0]) == "Do 0."


def test_squad() -> None:
    data = rows(
        id=lambda n: f"i{n}",
        title=lambda n: f"title {n // 2}",
        context=lambda n: f"passage {n // 2}",
        answers=lambda n: {"text": [f"a{n}", "other"], "answer_start": [0, 3]},
        **QUESTION,
    )
    found = guess(data)
    assert rendered(found, data[3]) == "passage 1\n\nwhat is 3?"
    assert found.references is not None
    assert Template(found.references, place="r").read(data[3]) == "a3"
    assert (found.group, found.id) == ("title", "id")
    assert found.notes
    data[0]["answers"] = {"text": [], "answer_start": []}
    found = guess(data)
    assert found.references is None
    assert "empty in some rows" in found.notes[0]


@pytest.mark.parametrize(
    ("column", "turn"),
    [
        ("messages", {"role": "user", "content": "hello"}),
        ("conversations", {"from": "human", "value": "hello"}),
        ("input", {"role": "user", "content": "hello"}),  # LogiEval's
        ("anything", {"role": "user", "content": "hello"}),
    ],
)
def test_chats(column: str, turn: dict[str, str]) -> None:
    found = guess(rows(**{column: [turn], "ideal": "A", "note": lambda n: f"long text about {n}" * 9}))
    assert (found.messages_column, found.prompt, found.references) == (column, None, "ideal")
    assert found.reads == {column}


def test_classification() -> None:
    found = guess(rows(Text=lambda n: f"film {n} was fine", Label=lambda n: n % 2))
    assert found == Columns(prompt="{{ Text }}", label="Label")
    # A label that is another in every row is none.
    assert guess(rows(text=lambda n: f"t {n}", label=lambda n: f"l {n}")).label is None


def test_two_sentences() -> None:
    data = rows(premise=lambda n: f"P{n}.", hypothesis=lambda n: f"H{n}.", label=lambda n: "enc"[n % 3])
    found = guess(data)
    assert (rendered(found, data[1]), found.label) == ("P1.\n\nH1.", "label")


def test_unlabelled_text_of_an_unknown_name() -> None:
    data = rows(wording=lambda n: f"a rather long remark on {n}", short=lambda n: f"s{n}", constant="x" * 90)
    assert guess(data) == Columns(prompt="{{ wording }}")


def test_numbers_as_answers() -> None:
    data = rows(**QUESTION, answer=lambda n: n / 4)
    found = guess(data)
    assert found.references is not None
    assert Template(found.references, place="r").read(data[2]) == "0.5"
    assert guess(rows(**QUESTION, answer=lambda n: n)).references == "answer"


def test_multiple_choice() -> None:
    found = guess(rows(**QUESTION, choices=lambda n: [f"a{n}", "b"], answer=lambda n: "a"))
    assert (found.choices, found.references) == ("choices", "answer")
    assert guess(rows(**QUESTION, choices="a|b")).choices is None


def test_groups_must_be_many_and_shared() -> None:
    assert guess(rows(**QUESTION, group=lambda n: n // 3)).group == "group"
    assert guess(rows(**QUESTION, group=lambda n: n)).group is None
    assert guess(rows(**QUESTION, group=lambda n: n % 4)).group is None


def test_a_column_that_few_rows_have_is_not_what_the_file_is_about() -> None:
    data = rows(text=lambda n: f"text {n}", question=lambda n: f"question {n}" if n < 5 else None)
    assert guess(data).prompt == "{{ text }}"


def test_without_text_the_way_to_say_it_is_shown() -> None:
    with pytest.raises(ConfigError, match=r"among: a, doc .*--prompt '\{\{ doc\.body \}\}'"):
        guess(rows(a=1, doc=lambda n: {"n": n, "body": f"text {n}"}))
    with pytest.raises(ConfigError, match=r"among: none"):
        guess([{}])


def test_a_name_that_no_template_can_hold() -> None:
    with pytest.raises(ConfigError, match=r"'my question' can't stand in a template \(rename it"):
        text_template("my question")
    assert guess(
        rows(**{"my question": lambda n: f"long question {n}", "text": lambda n: f"t{n}"})
    ).prompt == ("{{ text }}")


def test_the_users_template_is_kept() -> None:
    found = guess(rows(**QUESTION, answer="x"), prompt="Q: {{ question }}\nA:")
    assert (found.prompt, found.references, found.reads) == ("Q: {{ question }}\nA:", "answer", {"question"})


cells = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "text", "x"]), inner)
    ),
    max_leaves=5,
)
names = st.sampled_from(
    ["question", "text", "answers", "label", "messages", "title", "id", "a b", "input", ""]
)


@given(st.lists(st.dictionaries(names, cells, max_size=5), min_size=1, max_size=8))
def test_any_rows_give_a_guess_or_one_of_our_errors(data: list[dict[str, Any]]) -> None:
    # What raises anything else fails here.
    with contextlib.suppress(ConfigError):
        assert guess(data).reads <= {name for row in data for name in row}
