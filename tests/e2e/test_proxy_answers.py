"""The guard in front of a model, with a detector that looks at the model's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

import llmood
from llmood.engines.fake_model import END, FakeModel, FakeTokenizer
from llmood.serve.settings import Policy
from tests.detecting import detecting_world
from tests.proxying import CLOSED, HOME_TURNS, MESSAGE, REFUSE, chat, events_in, guarding, without_field
from tests.raw_upstream import CHAT, PLAIN, STREAM, Upstream, answer, chunk, raw_upstream, streamed
from tests.serving import Served, wait_until
from tests.traffic_rows import HOME

GOOD = "your card is fine"
USAGE = b'data: {"id":"x","choices":[],"usage":{"total_tokens":3}}\n\n'


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detectors")
    world = detecting_world(folder / "world", scorers=["likelihood.response"])
    llmood.fit_detector(world.config, output_dir=folder / "post", scorers=["likelihood.response"])
    return folder / "post"


@pytest.fixture(scope="module")
def shared() -> Iterator[Upstream]:
    with raw_upstream() as found:
        yield found


@pytest.fixture(scope="module")
def guard(detector: Path, shared: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with guarding(detector, shared) as served:
        yield served


@pytest.fixture(scope="module")
def bad(guard: Served) -> str:
    """An answer that is flagged."""
    return told_apart(guard, ["zyx qqq vvv www " * 8, "?!", "qqq"], is_flagged=True)


@pytest.fixture(scope="module")
def good(guard: Served) -> str:
    """An answer that isn't."""
    own = FakeModel("fake-tuned:bank card travel")
    asked = FakeTokenizer().encode([row["text"] for row in HOME[:20]], rendered=False)
    answers = [
        FakeTokenizer().decode([token for token in own.answer(list(ids))[1] if token != END]) for ids in asked
    ]
    return told_apart(guard, ["", *answers, "bank card travel"], is_flagged=False)


def told_apart(served: Served, texts: list[str], *, is_flagged: bool) -> str:
    for text in texts:
        if served.score({"messages": HOME_TURNS, "response": text}).json()["flag"] is is_flagged:
            return text
    raise AssertionError(texts)


def with_answer(*texts: Any, more: dict[str, Any] | None = None) -> bytes:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text, **(more or {})}}
        for index, text in enumerate(texts)
    ]
    return json.dumps({"id": "x", "choices": choices, "usage": {"total_tokens": 1.0}}).encode()


def score_of(served: Served, text: str) -> float:
    return float(served.score({"messages": HOME_TURNS, "response": text}).json()["score"])


def test_the_answer_is_scored_and_passes_to_the_letter(guard: Served, shared: Upstream) -> None:
    shared.says = lambda _: answer(PLAIN)
    response = chat(guard)
    assert without_field(response.content) == PLAIN
    assert response.json()["llmood"]["score"] == score_of(guard, GOOD)
    assert response.headers["x-llmood-status"] == "ok"


def test_a_stream_is_scored_at_its_end_and_passes_to_the_letter(guard: Served, shared: Upstream) -> None:
    expected = score_of(guard, GOOD)
    endings: list[tuple[bytes, ...]] = [
        STREAM,
        STREAM[:-1],  # no [DONE]
        (*STREAM[:-1], b": the end\n\n", STREAM[-1], b": after it\n\n"),
        (*STREAM[:-1], USAGE, STREAM[-1]),
        (*STREAM[:-2], STREAM[-2].strip()),  # no blank line
    ]
    for events in endings:
        text = b"".join(events)
        for cut in (1, 50, 10_000):
            pieces = [text[place : place + cut] for place in range(0, len(text), cut)]
            shared.says = lambda _, pieces=pieces: streamed(*pieces)
            response = chat(guard, stream=True)
            assert without_field(response.content) == text
            assert response.headers["x-llmood-status"] == "pending"
            marked = [event for event in response.content.split(b"\n\n") if b'"llmood"' in event]
            said = json.loads(marked[0].strip().removeprefix(b"data: "))
            assert len(marked) == 1
            assert said["llmood"]["score"] == expected


def test_a_stream_comes_as_it_is_said_but_for_one_event(guard: Served, shared: Upstream) -> None:
    shared.says = lambda _: streamed(STREAM[0], STREAM[2], 60.0)
    asked = {"model": "m", "messages": HOME_TURNS, "stream": True}
    with guard.client.stream("POST", "/v1/chat/completions", json=asked) as response:
        assert next(response.iter_raw()) == STREAM[0]


def test_what_has_no_text_passes_marked(guard: Served, shared: Upstream) -> None:
    nothing = [
        CHAT,
        with_answer("", more={"tool_calls": [{"id": "a"}]}),
        with_answer(GOOD, None),
        b'{"choices": []}',
        b'{"choices": [1, {"index": "a"}, {"index": -1, "message": {"content": "x"}}]}',
        b'{"choices": {"a": 1}}',
        b"{}",
        b"<html>",
        b"[1]",
    ]
    for body in nothing:
        shared.says = lambda _, body=body: answer(body)
        response = chat(guard)
        assert response.headers["x-llmood-flag"] == "unknown"
        assert response.headers["x-llmood-action"] == "passed"
        if body.startswith(b"{"):
            assert response.json()["llmood"]["reason"] == "the answer has no text"
        else:
            assert response.content == body


def test_an_answer_that_is_empty_is_an_answer(guard: Served, shared: Upstream) -> None:
    shared.says = lambda _: answer(with_answer(""))
    assert chat(guard).json()["llmood"]["reason"] != "the answer has no text"


def test_errors_pass_unmarked_for_nothing_was_answered(guard: Served, shared: Upstream) -> None:
    shared.says = lambda _: answer(b'{"error": {"code":  1}}', status=b"404 Not Found")
    response = chat(guard)
    assert (response.status_code, response.content) == (404, b'{"error": {"code":  1}}')
    assert "x-llmood-flag" not in response.headers


def test_each_choice_is_an_answer_and_the_wariest_counts(
    detector: Path, shared: Upstream, good: str, bad: str, tmp_path: Path
) -> None:
    shared.says = lambda _: answer(with_answer(good, bad))
    with guarding(detector, shared, REFUSE, events=tmp_path) as served:
        response = chat(served, n=2)
    assert [choice["message"]["content"] for choice in response.json()["choices"]] == [MESSAGE] * 2
    assert [event.action for event in events_in(tmp_path)] == ["passed", "refused"]


def test_answers_to_several_prompts_go_with_their_prompts(
    detector: Path, shared: Upstream, tmp_path: Path
) -> None:
    prompts = ["a bank card", "a card for a trip"]
    choices = [{"index": index, "text": f"{prompts[index // 2]} answer {index}"} for index in (3, 1, 0, 2)]
    shared.says = lambda _: answer(json.dumps({"choices": choices}).encode())
    with guarding(detector, shared, events=tmp_path) as served:
        asked = {"model": "m", "prompt": prompts, "n": 2, "echo": True}
        response = served.client.post("/v1/completions", json=asked)
        scores = [
            served.score({"prompt": prompts[index // 2], "response": f" answer {index}"}).json()["score"]
            for index in range(4)
        ]
    assert response.headers["x-llmood-status"] == "ok"
    kept = [event for event in events_in(tmp_path) if event.source == "completions"]
    assert [(event.text, event.score) for event in kept] == [
        (prompts[index // 2], scores[index]) for index in range(4)
    ]


@pytest.mark.parametrize("policy", [REFUSE, CLOSED])
def test_a_stream_that_may_be_refused_is_held_until_it_is_scored(
    detector: Path, shared: Upstream, good: str, bad: str, policy: Policy
) -> None:
    with guarding(detector, shared, policy) as served:
        said = (chunk(good[:3]), b": still there\n\n", chunk(good[3:], '"stop"'), STREAM[-1])
        shared.says = lambda _: streamed(*said)
        response = chat(served, stream=True)
        assert without_field(response.content) == b"".join(said)
        assert response.headers["x-llmood-flag"] == "false"
        call = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}\n\n'
        shared.says = lambda _: streamed(*((chunk(bad), STREAM[-1]) if policy is REFUSE else (call,)))
        with openai.OpenAI(base_url=f"{served.url}/v1", api_key="k", max_retries=0) as client:
            pieces = list(client.chat.completions.create(model="m", messages=HOME_TURNS, stream=True))
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == MESSAGE
        assert pieces[0].model_extra["llmood"]["action"] == "refused"


def test_a_held_stream_that_breaks_off_is_an_error(detector: Path, shared: Upstream) -> None:
    shared.says = lambda _: streamed(STREAM[0], None)
    with guarding(detector, shared, REFUSE) as served:
        response = chat(served, stream=True)
        assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_broken")


def test_an_answer_that_breaks_off_is_kept_all_the_same(
    detector: Path, shared: Upstream, tmp_path: Path
) -> None:
    asked = {"model": "m", "messages": HOME_TURNS, "stream": True}
    with guarding(detector, shared, events=tmp_path) as served:
        shared.says = lambda _: streamed(*STREAM[:3], None)
        with (
            pytest.raises(httpx2.RemoteProtocolError),
            served.client.stream("POST", "/v1/chat/completions", json=asked) as response,
        ):
            response.read()
        wait_until(lambda: len(events_in(tmp_path)) == 1)
        shared.says = lambda _: streamed(*STREAM[:3], 600.0)
        with served.client.stream("POST", "/v1/chat/completions", json=asked) as response:
            next(response.iter_raw())
        wait_until(lambda: len(events_in(tmp_path)) == 2)
    assert {(event.status, event.reason) for event in events_in(tmp_path)} == {
        ("failed", "the answer broke off before its end")
    }
