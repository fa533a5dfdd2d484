"""What a server can do wrong, and what comes of it: tried again, one sample lost, or one line and what is finished."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from llmood.config import EngineConfig, Models
from llmood.engines.base import Captured, Request
from llmood.engines.fake import FakeEngine
from llmood.engines.fake_model import FakeTokenizer
from llmood.engines.openai import OpenAIEngine
from llmood.engines.server.budget import BudgetError
from llmood.engines.server.client import Client
from llmood.engines.server.problems import RequestError
from llmood.engines.server.session import GIVEN_UP_AFTER
from llmood.errors import EngineError
from llmood.records import CaptureSpec
from llmood.server_config import ServerConfig
from tests.stub_http import port_of, serving
from tests.stub_server import Asked, Fault, Stub

PROMPT = CaptureSpec.of("prompt_logprobs", "tuned")
RESPONSE = CaptureSpec.of("response", "tuned", max_new_tokens=6)
REQUESTS = [Request(ids) for ids in FakeTokenizer().encode([f"text {n}" for n in range(30)], rendered=False)]
POISON = list(REQUESTS[4].token_ids)

Make = Callable[..., OpenAIEngine]

pytestmark = pytest.mark.usefixtures("stub")


@pytest.fixture
def make(make: Make, stub: Stub) -> Make:
    """An engine that knows its server already; what is asked from then on is what a test looks at."""

    def engine(**server: Any) -> OpenAIEngine:
        made = make(**{"retries": 3, **server})
        assert made.supports(PROMPT)
        assert made.identity("tuned")
        stub.forget()
        return made

    return engine


def collect(
    engine: OpenAIEngine, found: dict[int, Captured], spec: CaptureSpec = PROMPT, done: tuple[int, ...] = ()
) -> dict[int, Captured]:
    """Everything that is yielded, into `found`, which also holds it when an error follows."""
    for batch in engine.run(spec, REQUESTS, done=done):
        assert not set(dict(batch)) & set(found), "a result came twice"
        found |= dict(batch)
    return found


def check_right(found: dict[int, Captured], but: tuple[int, ...] = ()) -> None:
    """All that came, except for these, is the fake engine's own."""
    models = Models.model_validate({"base": "base", "tuned": "tuned"})
    theirs = FakeEngine(EngineConfig(), models).capture(PROMPT, REQUESTS)
    for index, captured in found.items():
        if index not in but:
            assert captured.values["logprobs"][1:] == pytest.approx(theirs[index].values["logprobs"][1:])


def of_poison(fault: Fault, times: int = 1000) -> Callable[[str, Asked, int], Fault]:
    return lambda path, body, before: fault if body.get("prompt") == POISON and before < times else None


# ---------------------------------------------------------------------------------------------- what is tried again


@pytest.mark.parametrize(
    "fault", [408, 409, 425, 429, 500, 502, 503, "drop", "truncate", "short", "nonsense"], ids=str
)
def test_what_may_pass_is_tried_again(make: Make, stub: Stub, fault: Fault) -> None:
    engine = make()
    stub.fault = lambda path, body, before: fault if before < 2 else None
    found = collect(engine, {})
    assert sorted(found) == list(range(30))
    check_right(found)
    assert len(stub.asked) == 3 * 31  # each of them, and the look again, three times


def test_an_error_under_the_status_of_a_success(make: Make, stub: Stub) -> None:
    engine = make()
    wrapped = {"status": 200, "body": {"error": {"message": "upstream", "code": 502}}}
    stub.fault = lambda path, body, before: wrapped if before < 1 else None
    check_right(collect(engine, {}))


def test_a_slow_answer_is_given_up_and_asked_for_again(make: Make, stub: Stub) -> None:
    engine = make(timeout=0.3)
    stub.fault = of_poison("slow", 1)
    found = collect(engine, {})
    assert len(found) == 30
    check_right(found)


def test_a_wait_that_is_asked_for_holds_for_everybody() -> None:
    client = Client(ServerConfig(url="http://127.0.0.1:1/v1"))
    before = time.monotonic()
    wait = client._wait(RequestError("busy", again=True, wait=7.0), 1)
    assert wait >= 7.0
    assert client._not_before >= before + 7.0


def test_retry_after_is_waited_for(make: Make, stub: Stub) -> None:
    engine = make(concurrency=1)
    times: list[float] = []

    def busy(path: str, body: Asked, before: int) -> Fault:
        times.append(time.monotonic())
        return {"status": 429, "headers": {"Retry-After": "0.2"}} if len(times) == 1 else None

    stub.fault = busy
    check_right(collect(engine, {}))
    assert times[1] - times[0] >= 0.2


# ---------------------------------------------------------------------------------------------- one sample is lost


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("fewer", "the server gave log-probabilities of 6 tokens for the 7 that were sent"),
        ("no logprobs", "the server gave no log-probabilities of the prompt"),
        ("nan", "the server gave a log-probability that is not a number"),
        (400, "the server gave no answer: it answers 400"),
        (500, "the server gave no answer: it answers 500"),
        ("drop", "the server gave no answer: the connection fails (RemoteProtocolError)"),
        ("truncate", "the server gave no answer: its answer is no JSON"),
    ],
    ids=str,
)
def test_a_request_that_never_works_is_one_failed_sample(
    make: Make, stub: Stub, fault: Fault, reason: str
) -> None:
    engine = make()
    stub.fault = of_poison(fault)
    found = collect(engine, {})
    assert sorted(found) == list(range(30))
    assert (found[4].status, found[4].reason) == ("failed", reason)
    check_right(found, but=(4,))


def test_what_a_server_says_of_it_stands_apart(make: Make, stub: Stub) -> None:
    # It may quote the prompt: it is kept only where text is.
    engine = make()
    stub.fault = of_poison({"status": 400, "body": {"error": {"message": "I won't read 'text 4'"}}})
    captured = collect(engine, {})[4]
    assert captured.said == "I won't read 'text 4'"
    assert "text 4" not in (captured.reason or "")


def test_a_prompt_over_the_server_s_context_is_unscored(make: Make, stub: Stub) -> None:
    engine = make()
    message = {"error": {"message": "This model's maximum context length is 5 tokens."}}
    stub.fault = of_poison({"status": 400, "body": message})
    captured = collect(engine, {})[4]
    assert (captured.status, captured.reason) == ("unscored", "over the context of the server's model")


@pytest.mark.parametrize("lost", ["token_ids", "logprobs"])
def test_an_answer_that_lacks_what_the_probe_had_is_failed(make: Make, stub: Stub, lost: str) -> None:
    engine = make()
    setattr(stub, lost, False)
    reasons = {captured.reason for captured in collect(engine, {}, RESPONSE).values()}
    assert reasons == {
        "the server gave no ids of the tokens that it generated"
        if lost == "token_ids"
        else "the server gave no log-probabilities of the answer"
    }


# ------------------------------------------------------------------------------------------- the server is given up


def test_a_server_that_dies_half_way(make: Make, stub: Stub) -> None:
    engine = make(concurrency=2, retries=1)
    stub.fault = lambda path, body, before: stub.die() if len(stub.asked) == 12 else None
    found: dict[int, Captured] = {}
    with pytest.raises(EngineError, match=r"can't be reached: .* the same command goes on") as told:
        collect(engine, found)
    assert told.value.exit_code == 1
    # What was on its way when it died may have failed; the rest is there, and is not asked for again.
    finished = {index: captured for index, captured in found.items() if captured.status == "ok"}
    assert 8 <= len(finished) < 30
    check_right(finished)
    with serving(stub, port=port_of(stub)):
        stub.fault = Stub.fault
        stub.forget()
        rest = collect(engine, {}, done=tuple(finished))
        assert sorted({**finished, **rest}) == list(range(30))
        check_right(rest)
        asked = {tuple(body["prompt"]) for body in stub.bodies()}
        assert not asked & {REQUESTS[index].token_ids for index in finished}


def test_a_server_that_can_do_nothing_any_more_is_given_up_soon(make: Make, stub: Stub) -> None:
    engine = make(concurrency=2, retries=1)
    stub.fault = lambda path, body, before: 500 if len(stub.asked) > 10 else None
    found: dict[int, Captured] = {}
    with pytest.raises(EngineError, match=r"gives no answer: it answers 500"):
        collect(engine, found)
    # The last of them ends the run; the others before it are failed samples, which the next run tries again.
    assert len(found) == 10 + GIVEN_UP_AFTER - 1
    assert len(stub.asked) <= 10 + 2 * (GIVEN_UP_AFTER + 1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (401, "refuses the key"),
        (403, "refuses the key"),
        (404, "no longer serves that"),
        ({"status": 429, "body": {"error": {"code": "insufficient_quota"}}}, "the quota is used up"),
        ({"status": 503, "headers": {"Retry-After": "9000"}}, "asks to wait for 9000 s"),
    ],
    ids=str,
)
def test_what_no_request_can_help(make: Make, stub: Stub, fault: Fault, words: str) -> None:
    engine = make(concurrency=2)
    stub.fault = lambda path, body, before: fault if len(stub.asked) > 10 else None
    found: dict[int, Captured] = {}
    with pytest.raises(EngineError, match=words) as told:
        collect(engine, found)
    assert told.value.exit_code == 1
    assert "the same command goes on" in str(told.value)
    assert 9 <= len(found) <= 11
    check_right(found)
    assert len(stub.asked) <= 14


def test_the_time_for_all_of_it(make: Make, stub: Stub) -> None:
    engine = make(concurrency=4, total_timeout=1.0)
    stub.delay = 600.0
    stub.fault = lambda path, body, before: "slow" if len(stub.asked) > 10 else None
    found: dict[int, Captured] = {}
    with pytest.raises(EngineError, match=r"the 1 s of total_timeout are over .*goes on with the rest"):
        collect(engine, found)
    assert len(found) == 10
    # It is the run's time, not that of each capture.
    with pytest.raises(EngineError, match="total_timeout"):
        collect(engine, {}, RESPONSE)


# ------------------------------------------------------------------------------------------------------- budgets


def test_requests_are_not_overspent_and_the_next_run_goes_on(make: Make, stub: Stub) -> None:
    found: dict[int, Captured] = {}
    for left in (30, 18, 6):
        engine = make(max_requests=12)
        assert len(found) == 30 - left
        if left > 12:
            with pytest.raises(
                BudgetError, match=r"the budget is spent: 12 requests .*goes on with a new budget"
            ):
                collect(engine, found, done=tuple(found))
            assert stub.count() == 12
        else:
            collect(engine, found, done=tuple(found))
    assert sorted(found) == list(range(30))
    check_right(found)


def test_tries_count_as_requests(make: Make, stub: Stub) -> None:
    engine = make(max_requests=12, concurrency=1)
    stub.fault = lambda path, body, before: 500 if before < 1 else None
    found: dict[int, Captured] = {}
    with pytest.raises(BudgetError):
        collect(engine, found)
    assert (len(stub.asked), len(found)) == (12, 6)


def test_tokens_are_counted_as_the_server_counts_them(make: Make, stub: Stub) -> None:
    # "text 0" to "text 9" are 7 tokens with the first, and one is made for each: 8 a request. Ten make 80.
    engine = make(max_tokens=83, concurrency=3)
    found: dict[int, Captured] = {}
    with pytest.raises(BudgetError, match="80 of 83 tokens"):
        collect(engine, found)
    assert sorted(found) == list(range(10))


def test_without_a_count_tokens_are_what_was_expected(make: Make, stub: Stub) -> None:
    stub.usage = False
    engine = make(max_tokens=83, concurrency=3)
    with pytest.raises(BudgetError, match="80 of 83 tokens"):
        collect(engine, {})


def test_the_budget_is_the_run_s_and_not_a_capture_s(make: Make, stub: Stub) -> None:
    engine = make(max_requests=40)
    collect(engine, {})
    with pytest.raises(BudgetError):
        collect(engine, {}, RESPONSE)
    assert stub.count() == 41  # with the look again, which isn't counted


# -------------------------------------------------------------------------------------------------- several at once


def test_no_more_at_once_than_asked_for(make: Make, stub: Stub) -> None:
    engine = make(concurrency=3)
    stub.most_at_once = 0
    stub.fault, stub.delay = (lambda path, body, before: "slow"), 0.05
    collect(engine, {})
    assert stub.most_at_once == 3


def test_leaving_stops_the_rest(make: Make, stub: Stub) -> None:
    engine = make(concurrency=2)
    stub.fault, stub.delay = (lambda path, body, before: "slow"), 0.05
    batches = engine.run(PROMPT, REQUESTS)
    next(batches)
    engine.close()
    asked = len(stub.asked)
    assert asked < 30
    assert list(batches) == []
    time.sleep(0.2)
    assert len(stub.asked) == asked


def test_nothing_missing_asks_nothing(make: Make, stub: Stub) -> None:
    assert list(make().run(PROMPT, REQUESTS, done=range(30))) == []
    assert stub.asked == []
