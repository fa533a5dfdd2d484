"""Answers are read strictly: what isn't exactly one number a token is refused, with what was wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmood.engines.fake_model import FakeTokenizer
from llmood.engines.server.answers import (
    AnswerError,
    check_sent,
    failed,
    letters,
    read,
    read_as,
    response,
    scored,
)

IDS = (5, 7, 9)


def entry(value: float, word: str = "w") -> dict[str, Any]:
    return {"logprob": value, "rank": 1, "decoded_token": word}


def answer(**choice: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "text": "", "finish_reason": "stop", **choice}]}


def field(*entries: Any) -> dict[str, Any]:
    return answer(prompt_logprobs=list(entries))


def echo(*values: Any) -> dict[str, Any]:
    return answer(logprobs={"tokens": ["w"] * len(values), "token_logprobs": list(values)})


def test_the_field_of_the_very_tokens() -> None:
    # The token itself may stand beside a likelier one, in any order.
    found = field(None, {"8": entry(-0.1), "7": entry(-1.5)}, {"9": entry(-2.5)})
    assert scored("prompt_logprobs", read(found)[0], IDS).tolist() == [-1.5, -2.5]


def test_an_echo() -> None:
    assert scored("echo", read(echo(None, -1.5, -2.5))[0], IDS).tolist() == [-1.5, -2.5]
    assert scored("echo", read(echo(-9.0, -1.5, -2.5))[0], IDS).tolist() == [
        -1.5,
        -2.5,
    ]  # the first says nothing


def test_what_stands_for_minus_infinity_is_it() -> None:
    assert scored("echo", read(echo(None, -9999.0, -2.5))[0], IDS).tolist() == [-np.inf, -2.5]
    assert scored("prompt_logprobs", read(field(None, {"7": entry(-9999.0)}))[0], IDS[:2]).tolist() == [
        -np.inf
    ]


@pytest.mark.parametrize(
    ("how", "found", "said"),
    [
        ("prompt_logprobs", answer(), "no log-probabilities of the prompt"),
        ("prompt_logprobs", answer(prompt_logprobs=None), "no log-probabilities of the prompt"),
        ("prompt_logprobs", field(None, {"7": entry(-1)}), "of 2 tokens for the 3 that were sent"),
        ("prompt_logprobs", field(None, *[{"7": entry(-1)}] * 3), "of 4 tokens for the 3 that were sent"),
        ("prompt_logprobs", field(None, {"7": entry(-1)}, {"8": entry(-1)}), "token 3 of the 3"),
        ("prompt_logprobs", field(None, None, {"9": entry(-1)}), "token 2 of the 3"),
        ("prompt_logprobs", field(None, {"7": entry(np.nan)}, {"9": entry(-1)}), "not a number"),
        ("echo", answer(), "no log-probabilities of the prompt"),
        ("echo", answer(logprobs={"tokens": []}), "no log-probabilities of the prompt"),
        ("echo", echo(None, -1), "of 2 tokens for the 3 that were sent"),
        ("echo", echo(None, -1, None), "token 3 of the 3"),
        ("echo", echo(None, -1, np.nan), "not a number"),
    ],
)
def test_anything_else_is_refused(how: Any, found: dict[str, Any], said: str) -> None:
    with pytest.raises(AnswerError, match=said):
        scored(how, read(found)[0], IDS)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, r"another form \(choices\)"),
        ({"choices": None}, r"another form \(choices\)"),
        ({"choices": []}, "0 answers"),
        ({"choices": [{}, {}]}, "2 answers"),
        ({"choices": [3]}, r"another form \(choices.0\)"),
        (answer(prompt_logprobs={"a": 1}), r"another form \(choices.0.prompt_logprobs\)"),
        (field(None, {"7": "x"}), r"another form \(choices.0.prompt_logprobs.1"),
        (echo(None, "much"), r"another form \(choices.0.logprobs.token_logprobs.1\)"),
        (answer(token_ids=["a"]), r"another form \(choices.0.token_ids.0\)"),
    ],
)
def test_another_form_is_named_by_its_place(found: dict[str, Any], said: str) -> None:
    with pytest.raises(AnswerError, match=said):
        read(found)


def test_what_the_server_says_it_read() -> None:
    found = answer(prompt_token_ids=[5, 7, 9]) | {"usage": {"prompt_tokens": 3}}
    check_sent(*read(found), IDS)
    check_sent(*read(answer()), IDS)  # it says nothing
    with pytest.raises(AnswerError, match="other tokens back than the 2 that were sent"):
        check_sent(*read(found), IDS[:2])
    with pytest.raises(AnswerError, match="a count of 4 tokens for the 3 that were sent"):
        check_sent(*read(answer() | {"usage": {"prompt_tokens": 4}}), IDS)


def test_a_response_is_its_ids() -> None:
    # 2 + byte: "hi", and the end.
    found = answer(text="HI", token_ids=[106, 107, 1], logprobs={"token_logprobs": [-1, -2, -9999.0]})
    values = response(read(found)[0], FakeTokenizer()).values
    assert values == {
        "text": "hi",
        "token_ids": [106, 107, 1],
        "logprobs": [-1, -2, -np.inf],
        "finish": "stop",
    }


def test_a_response_without_ids_or_numbers_has_none() -> None:
    values = response(read(answer(text="hi", finish_reason="length"))[0], FakeTokenizer()).values
    assert values == {"text": "hi", "token_ids": None, "logprobs": None, "finish": "length"}


def test_a_chat_response() -> None:
    content = [{"token": "h", "logprob": -1}, {"token": "i", "logprob": -2}]
    found = {
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop", "logprobs": {"content": content}}]
    }
    assert response(read(found)[0], None).values == {
        "text": "hi",
        "token_ids": None,
        "logprobs": [-1, -2],
        "finish": "stop",
    }
    empty = {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}
    assert response(read(empty)[0], None).values["text"] == ""


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (answer(finish_reason="content_filter"), "ended by 'content_filter'"),
        (answer(finish_reason=None), "ended by nothing that it names"),
        (answer(finish_reason="a <b>long</b> story"), "ended by nothing that it names"),
        (
            answer(token_ids=[1, 2], logprobs={"token_logprobs": [-1]}),
            "1 log-probabilities of an answer of 2 tokens",
        ),
        (answer(token_ids=[1], logprobs={"token_logprobs": [np.nan]}), "not a number"),
    ],
)
def test_a_response_that_is_none(found: dict[str, Any], said: str) -> None:
    with pytest.raises(AnswerError, match=said):
        response(read(found)[0], FakeTokenizer())


def test_a_refused_answer_is_a_failed_sample() -> None:
    captured = failed(AnswerError("nothing"))
    assert (captured.status, captured.reason) == ("failed", "the server gave nothing")


def test_what_was_read_is_compared_by_letters() -> None:
    assert letters("▁The Ġquick-fox, 3!") == "Thequickfox3"
    words = field(None, {"7": entry(-1, "▁The")}, {"9": entry(-1, " fox")})
    assert read_as(read(words)[0], 1) == "Thefox"
    assert read_as(read(answer(logprobs={"tokens": ["<s>", "Ġthe", "re"]}))[0], 1) == "there"
    assert read_as(read(field(None, {"7": {"logprob": -1}}))[0], 1) is None
    assert read_as(read(answer())[0], 1) is None
    # A server may say numbers in place of words, or nothing.
    assert read_as(read(answer(logprobs={"tokens": ["token_id:5", "token_id:7"]}))[0], 0) is None
    assert read_as(read(field(None, {"7": entry(-1, "")}))[0], 1) is None
