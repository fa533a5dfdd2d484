"""Which failures are tried again, how long is waited, and what the user is told in the end."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.engines.server.problems import (
    FIRST_WAIT,
    LONGEST_WAIT,
    RequestError,
    asked_wait,
    backoff,
    complaint,
    of_status,
    shown,
)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_asked_again(status: int) -> None:
    assert of_status(status, None, {}).again


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 422, 501])
def test_what_stays_is_not(status: int) -> None:
    assert not of_status(status, None, {}).again


def test_no_waiting_fills_an_account() -> None:
    problem = of_status(429, {"error": {"code": "insufficient_quota", "message": "You exceeded it"}}, {})
    assert not problem.again
    assert problem.hopeless
    told = complaint(problem, "http://x/v1", before=False)
    assert "the quota is used up" in str(told)
    assert told.exit_code == 1


def test_a_wait_beyond_patience_ends_the_run() -> None:
    problem = of_status(429, None, {"retry-after": "3600"})
    assert not problem.again
    assert problem.hopeless
    assert "asks to wait for 3600 s" in str(complaint(problem, "http://x/v1", before=False))
    assert of_status(429, None, {"retry-after": "30"}).again


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
    ],
)
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers, NOW) == seconds


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_waits_grow_within_a_bound(attempt: int, seed: int) -> None:
    # 0.5, 1, 2, … seconds at most, never over 30, and anything below.
    bound = min(30.0, 0.5 * 2 ** (attempt - 1))
    assert (FIRST_WAIT, LONGEST_WAIT) == (0.5, 30.0)
    assert 0.0 <= backoff(attempt, np.random.default_rng(seed)) <= bound


def test_waits_differ() -> None:
    generator = np.random.default_rng(0)
    assert len({backoff(3, generator) for _ in range(20)}) == 20


def test_what_a_server_says_is_shown_short_clean_and_without_keys() -> None:
    assert shown("a\x1b[31m\nb  c\u202e") == "a␛[31m b c\ufffd"
    assert shown("x" * 500) == "x" * 200 + "…"
    assert shown("wrong key sk-abcDEF123, or hf_abcdefgh") == "wrong key …, or …"
    assert shown("your key is tulips", "tulips") == "your key is …"
    assert shown("") is shown(None) is shown(3) is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no", "code": "busy"}},
        {"error": {"message": "no", "type": "busy", "code": 500}},
        {"message": "no", "code": "busy"},
        {"error": {"message": "no", "code": "busy", "param": None}, "x": 1},
    ],
)
def test_errors_come_in_several_forms(body: object) -> None:
    problem = of_status(500, body, {})
    assert (str(problem), problem.said) == ("it answers 500: no", "no")


@pytest.mark.parametrize("body", [None, [], {"error": None}, {"detail": "x"}, 7])
def test_an_error_may_say_nothing(body: object) -> None:
    assert str(of_status(503, body, {})) == "it answers 503"


def test_an_error_may_be_a_text() -> None:
    assert str(of_status(503, {"error": "down"}, {})) == "it answers 503: down"


@pytest.mark.parametrize(
    ("status", "body", "over"),
    [
        (400, {"error": {"code": "context_length_exceeded", "message": "too long"}}, True),
        (400, {"error": {"message": "This model's maximum context length is 64 tokens."}}, True),
        (400, {"error": {"message": "max_tokens=5 cannot be greater than max_model_len=4"}}, True),
        (400, {"error": {"message": "no such field"}}, False),
        (500, {"error": {"message": "the context length service is down"}}, False),
    ],
)
def test_a_prompt_that_is_too_long_is_told_from_the_rest(status: int, body: object, over: bool) -> None:
    assert of_status(status, body, {}).over_context is over


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_a_mistake_before_and_a_failure_later(status: int) -> None:
    problem = of_status(status, None, {})
    assert complaint(problem, "http://x/v1", before=True).exit_code == 2
    later = complaint(problem, "http://x/v1", before=False)
    assert later.exit_code == 1
    assert "the same command goes on" in str(later)
    assert "key_env" in str(later)


def test_nobody_there_is_a_failure_at_any_time() -> None:
    problem = RequestError("the connection fails (ConnectError)", again=True, unreachable=True)
    for before in (True, False):
        told = complaint(problem, "http://x/v1", before=before)
        assert told.exit_code == 1
        assert "http://x/v1 can't be reached" in str(told)
        assert "\n" not in str(told)
