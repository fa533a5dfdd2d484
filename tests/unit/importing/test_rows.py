"""A row is understood as it stands or refused with its reason: nothing is ever repaired."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.errors import ConfigError
from llmood.importing.columns import KEYS, Columns, named_columns
from llmood.importing.rows import Record, read_record
from llmood.importing.scored import align_prompt
from llmood.importing.values import Tokens
from llmood.records import Message
from llmood.tasks.row_errors import RowError


def read(**row: Any) -> Record:
    keys, others = Columns({}).read({"prompt": "a b", **row})
    assert not others
    return read_record(keys)


def refused(**row: Any) -> str:
    with pytest.raises(RowError) as error:
        read(**row)
    return str(error.value)


def test_a_prompt_is_enough() -> None:
    record = read()
    assert record == Record("a b", (Message("user", "a b"),), None, {"meta": {}}, None, None, (), {})


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("prompt", "question"),
        ("prompt", "input"),
        ("response", "answer"),
        ("response", "output"),
        ("response", "completion"),
        ("references", "target"),
        ("references", "answers"),
        ("draws", "generations"),
        ("response_logprobs", "logprobs"),
        ("finish", "finish_reason"),
    ],
)
def test_what_common_practice_calls_it(key: str, column: str) -> None:
    columns = Columns({})
    assert columns.read({column: "x", "other": 1}) == ({key: "x"}, {"other": 1})
    assert columns.used == {key: column}
    assert list(columns.left) == ["other"]


def test_two_columns_for_one_key_are_no_guess() -> None:
    with pytest.raises(RowError, match="response and answer could both be the response: say which"):
        Columns({}).read({"prompt": "x", "response": "a", "answer": "b"})
    with pytest.raises(
        RowError, match=r"--field response=response.*or rename the other, a right answer to 'ref"
    ):
        Columns({}).read({"prompt": "x", "response": "a", "answer": "b"})
    with pytest.raises(RowError, match=r"--field draws=draws\), or rename the other$"):
        Columns({}).read({"prompt": "x", "draws": ["a"], "generations": ["b"]})
    named = Columns(named_columns(["response=answer"]))
    assert named.read({"prompt": "x", "answer": "b", "response": "a"}) == (
        {"prompt": "x", "response": "b"},
        {"response": "a"},
    )
    assert Columns(named_columns(["references=answer"])).read({"prompt": "x", "answer": "b"})[0] == {
        "prompt": "x",
        "references": "b",
    }


def test_paths_lead_into_columns() -> None:
    row = {"body": {"choices": [{"message": {"content": "yes"}}]}, "a.b": "literal", "a": {"b": "inner"}}
    columns = Columns(named_columns(["response=body.choices.0.message.content", "prompt=a.b"]))
    assert columns.read(row)[0] == {"response": "yes", "prompt": "literal"}
    for path in ("body.choices.7.message", "body.choices.x", "body.nothing.at.all", "a.b.c.d"):
        assert Columns({"prompt": path}).read(row)[0] == {}


@pytest.mark.parametrize(
    ("field", "words"),
    [("prompt", "is not KEY=COLUMN"), ("promt=x", "did you mean 'prompt'"), ("prompt=", "is not KEY=COLUMN")],
)
def test_field_options(field: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        named_columns([field])
    with pytest.raises(ConfigError, match="is a already"):
        named_columns(["prompt=a", "prompt=b"])


def test_csv_cells_are_json_where_they_are_no_words() -> None:
    columns = Columns({}, from_text=True)
    row = {
        "prompt": "[1, 2]",
        "response": "3",
        "prompt_logprobs": "[null, -1.5]",
        "confidence": "0.25",
        "correct": "True",
        "references": "[not a list",
        "severity": "2",
        "draws": '["x"]',
    }
    found, _ = columns.read({key: value for key, value in row.items() if key != "references"})
    assert found["prompt"] == "[1, 2]"
    assert found["response"] == "3"
    assert found["prompt_logprobs"] == [None, -1.5]
    assert (found["confidence"], found["correct"], found["severity"]) == (0.25, True, 2)
    assert found["draws"] == ["x"]
    assert columns.read({"prompt": "x", "references": "plain words"})[0]["references"] == "plain words"
    assert columns.read({"prompt": "x", "references": '["a", "b"]'})[0]["references"] == ["a", "b"]


# --------------------------------------------------------------------------------- which token a number belongs to


def test_t_entries_or_t_minus_one_numbers() -> None:
    full = (None, -1.0, -2.0)
    assert align_prompt("p", full, None) == full
    assert align_prompt("p", full, Tokens(3)) == full
    assert align_prompt("p", (-1.0, -2.0), Tokens(3)) == full
    assert align_prompt("p", (None,), None) == (None,)


@pytest.mark.parametrize(
    ("logprobs", "tokens", "reason"),
    [
        ((-1.0, -2.0), None, "begins with a number, and prompt_tokens is not there"),
        ((-1.0, -2.0), Tokens(2), "the first token has nothing before it"),
        ((-1.0, -2.0), Tokens(4), "2 numbers for 4 tokens"),
        ((-1.0, -2.0), Tokens(1), "2 numbers for 1 tokens"),
        ((None, -2.0), Tokens(3), "2 entries for 3 tokens"),
        ((None, -2.0, None), Tokens(3), r"p\[2\] is null"),
        ((None, None), None, r"p\[1\] is null"),
    ],
)
def test_what_could_be_off_by_one_is_refused(logprobs: Any, tokens: Any, reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        align_prompt("p", logprobs, tokens)


def test_prompt_and_response_are_joined() -> None:
    record = read(
        prompt_tokens=[5, 6, 7],
        prompt_logprobs={"tuned": [None, -1, -2], "base": [-3, -4]},
        response="yes",
        response_tokens=[8, 9],
        response_logprobs={"tuned": [-0.5, 0], "base": [-0.25, -0.125]},
    )
    assert record.prompt_tokens == Tokens(3, (5, 6, 7))
    both = record.scored["base", "prompt_response"]
    assert both.logprobs == (None, -3.0, -4.0, -0.25, -0.125)
    assert both.spans == (("prompt", 0, 3), ("response", 3, 5))
    assert both.ids == (5, 6, 7, 8, 9)
    assert record.scored["tuned", "prompt"].spans == (("prompt", 0, 3),)
    assert set(record.scored) == {
        (role, of) for role in ("base", "tuned") for of in ("prompt", "prompt_response")
    }
    assert record.response is not None
    assert record.response.logprobs == (-0.5, 0.0)


def test_answers_scored_without_their_prompt() -> None:
    record = read(response="yes", response_alone_logprobs={"tuned": [None, -2.0]})
    assert set(record.scored) == {("tuned", "response")}
    assert record.scored["tuned", "response"].spans == (("response", 0, 2),)
    # Of the answer given the prompt alone no sum over prompt and answer can be made.
    assert read(response="yes", response_logprobs=[-1.0]).scored == {}


@pytest.mark.parametrize(
    "form",
    [
        [-1.5, -0.5],
        {"tuned": [-1.5, -0.5]},
        {"content": [{"token": "a", "logprob": -1.5, "bytes": [97]}, {"token": "b", "logprob": -0.5}]},
        [{"token": "a", "logprob": -1.5}, {"token": "b", "logprob": -0.5}],
        {"tokens": ["a", "b"], "token_logprobs": [-1.5, -0.5], "top_logprobs": None},
        {"tuned": {"token_logprobs": [-1.5, -0.5]}},
    ],
)
def test_forms_of_the_answers_logprobs(form: Any) -> None:
    response = read(response="ab", response_tokens=["a", "b"], response_logprobs=form).response
    assert response is not None
    assert response.logprobs == (-1.5, -0.5)
    assert response.tokens == Tokens(2)


@pytest.mark.parametrize(
    "value", [0.5, 1e-9, math.nan, math.inf, -math.inf, -1e39, 10**400, -(10**400), True, "-1", [-1], {}]
)
def test_what_is_no_logprob(value: Any) -> None:
    for row in (
        {"prompt_logprobs": [None, value]},
        {"response": "x", "response_logprobs": [value]},
        {"draws": [{"text": "x", "logprobs": [-1.0, value]}]},
    ):
        assert refused(**row)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": None}, "no prompt"),
        ({"prompt": "  "}, "the prompt is blank"),
        ({"prompt": 1.5}, "prompt is a float"),
        ({"prompt": "a\0b"}, "NUL"),
        ({"prompt": "\ud800"}, "surrogate"),
        ({"prompt_logprobs": []}, "prompt_logprobs is empty"),
        ({"prompt_logprobs": {"mine": [None]}}, "no model role"),
        ({"prompt_logprobs": {}}, "no model role"),
        ({"prompt_logprobs": "[null]"}, "is a str, not a list"),
        ({"prompt_logprobs": {"tuned": [None, -1], "base": [None, -1, -1]}}, "3 entries for 2 tokens"),
        ({"prompt_tokens": [1, "a"]}, "is a str, not a whole number"),
        ({"prompt_tokens": [-1]}, "is not from 0"),
        ({"prompt_tokens": [2**31]}, "is not from 0"),
        ({"prompt_tokens": [1.0]}, "is a float"),
        ({"prompt_tokens": True}, "is a bool"),
        ({"response_logprobs": [-1]}, "response_logprobs without a response"),
        ({"response_tokens": [1]}, "response_tokens without a response"),
        ({"prompt_response_logprobs": [None, -1]}, "prompt_response_logprobs without a response"),
        ({"response": "x", "prompt_response_logprobs": [None, -1]}, "where the answer begins"),
        ({"response": "x", "prompt_tokens": 2, "prompt_response_logprobs": [None, -1]}, "2 entries for 2 tokens"),
        ({"response": "x", "response_logprobs": [None, -1]}, "every answer token has"),
        ({"response": "x", "response_tokens": [1], "response_logprobs": [-1, -1]}, "2 numbers for 1 tokens"),
        ({"response": "x", "response_logprobs": {"base": [-1]}}, "without prompt_logprobs of that model"),
        ({"response": "x", "response_logprobs": {"content": [{"token": "a"}]}}, "has no 'logprob'"),
        ({"response": ["x"]}, "response is a list"),
        ({"draws": "x"}, "draws is a str"),
        ({"draws": [None]}, "is a NoneType"),
        ({"draws": [{"logprobs": [-1]}]}, "has no text"),
        ({"draws": [{"text": "x", "mood": 1}]}, "unknown key 'mood'"),
        ({"draws": [{"text": "x", "token_ids": [1], "logprobs": [-1, -2]}]}, "2 numbers for 1 tokens"),
        ({"draws": [{"text": "x", "temperature": -1}]}, "is not 0 or more"),
        ({"confidence": 1.01}, "is not from 0 to 1"),
        ({"confidence": math.nan}, "no finite number"),
        ({"confidence": "high"}, "not a number"),
        ({"correct": "yes"}, "neither true nor false"),
        ({"correct": 2}, "neither true nor false"),
        ({"label": " "}, "label is empty"),
        ({"references": ["a", None]}, "is a NoneType"),
        ({"severity": 1.5}, "not a whole number"),
        ({"meta": [1]}, "meta is a list"),
        ({"meta": {"x": math.nan}}, "not a number that JSON knows"),
        ({"id": "7", "meta": {"id": 8}}, "'id' stands there and in a column"),
        ({"temperature": 10**400, "response": "x"}, "no finite number"),
        ({"seed": 2**63, "response": "x"}, "is not from"),
        ({"messages": [{"role": "user", "content": " "}]}, "blank"),
        ({"messages": "hello"}, "not a list of turns"),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "response": "b"},
         "which is it"),
    ],
)  # fmt: skip
def test_hostile_rows(row: dict[str, Any], reason: str) -> None:
    assert reason in refused(**row)


def test_chat_turns_end_with_the_answer() -> None:
    turns = [{"role": "system", "content": "be short"}, {"role": "user", "content": "2+2?"}]
    record = read(prompt=None, messages=[*turns, {"role": "assistant", "content": "4"}])
    assert record.text == "be short\n2+2?"
    assert [message.role for message in record.messages] == ["system", "user"]
    assert record.response is not None
    assert record.response.text == "4"
    rendered = read(prompt="<s>be short 2+2?", messages=turns)
    assert rendered.text == "<s>be short 2+2?"
    assert rendered.messages == record.messages


def test_the_rest_of_a_row() -> None:
    record = read(
        id=7,
        references="x",
        choices=["a", "b"],
        label=3,
        group="g",
        confidence=1,
        correct=0,
        meta={"who": "me"},
    )
    assert record.id == "7"
    assert record.attributes == {
        "references": ("x",),
        "choices": ("a", "b"),
        "label": "3",
        "group": "g",
        "meta": {"who": "me", "id": "7", "confidence": 1.0, "correct": False},
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=6))
def test_any_row_is_a_record_or_a_reason(row: dict[str, Any]) -> None:
    keys, _ = Columns({}).read(row)
    record, reason = None, ""
    try:
        record = read_record(keys)
    except RowError as error:
        reason = str(error)
    if record is None:
        assert reason
        return
    assert record.text.strip()
    json.dumps(record.attributes["meta"], allow_nan=False)
    for scored in record.scored.values():
        assert scored.spans[-1][2] == len(scored.logprobs)
        assert all(value is None or -math.inf < value <= 0 for value in scored.logprobs)
