"""The guard in front of a model's server: what its clients get, to the letter, and what the server is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from llmood.serve.settings import Settings
from tests.proxying import (
    AWAY_TURNS,
    CLOSED,
    HOME_TURNS,
    MESSAGE,
    REFUSE,
    chat,
    events_in,
    guarding,
    without_field,
)
from tests.raw_upstream import CHAT, PLAIN, STREAM, Got, Said, Upstream, answer, raw_upstream, streamed
from tests.serving import Served
from tests.traffic_rows import AWAY, HOME, fit_two


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit_two(tmp_path_factory.mktemp("detectors")) / "detector"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with raw_upstream() as found:
        yield found


@pytest.fixture(scope="module")
def shared() -> Iterator[Upstream]:
    with raw_upstream() as found:
        yield found


@pytest.fixture(scope="module")
def guard(detector: Path, shared: Upstream) -> Iterator[Served]:
    """Annotates; its upstream is `shared`."""
    with guarding(detector, shared) as served:
        yield served


def test_an_answer_is_the_upstreams_to_the_letter_with_the_decision_in_it(
    guard: Served, shared: Upstream
) -> None:
    shared.says = lambda _: answer(CHAT, b"x-other: 1", b"set-cookie: a=1", b"set-cookie: b=2")
    response = chat(guard)
    assert without_field(response.content) == CHAT
    field = response.json()["llmood"]
    assert (field["flag"], field["status"], field["action"]) == (False, "ok", "passed")
    headers = response.headers
    assert headers["x-llmood-id"] == field["id"]
    assert (headers["x-llmood-flag"], headers["x-llmood-action"]) == ("false", "passed")
    assert headers["x-llmood-status"] == "ok"
    assert float(headers["x-llmood-score"]) == field["score"]
    assert float(headers["x-llmood-p-value"]) == field["p_value"]
    assert headers["x-other"] == "1"
    assert headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert len(headers.get_list("date")) == 1
    assert field["score"] == guard.score({"messages": HOME_TURNS}).json()["score"]


def test_the_upstream_is_asked_to_the_letter(guard: Served, shared: Upstream) -> None:
    shared.says = lambda _: answer(PLAIN)
    body = b'{"messages":[ {"role":"user","content":"a bank card"}],"model":"m","temperature":1.50,"x":"\\u00fc"}'
    headers = {
        "authorization": "Bearer the client's",
        "accept-encoding": "gzip, br",
        "connection": "x-mine",
        "x-mine": "1",
        "te": "trailers",
        "x-kept": "yes",
        "content-type": "application/json; charset=utf-8",
    }
    response = guard.client.post(
        "/v1/chat/completions?api-version=1%2F2&b=%7B", content=body, headers=headers
    )
    assert response.status_code == 200
    got = shared.got[-1]
    assert (got.method, got.target) == ("POST", "/v1/chat/completions?api-version=1%2F2&b=%7B")
    assert got.body == body
    assert got.header("authorization") == "Bearer the client's"
    assert got.header("accept-encoding") == "identity"
    assert got.header("x-kept") == "yes"
    assert got.header("content-type") == "application/json; charset=utf-8"
    assert [got.header(name) for name in ("x-mine", "te", "transfer-encoding")] == [None] * 3
    assert got.header("host") == shared.url.removeprefix("http://")


def test_a_stream_is_the_upstreams_to_the_letter_with_the_decision_in_its_first_event(
    guard: Served, shared: Upstream
) -> None:
    text = b"".join((b": hello\r\n\r\n", *STREAM))
    for cut in (1, 7, 64, 10_000):
        pieces = [text[place : place + cut] for place in range(0, len(text), cut)]
        shared.says = lambda _, pieces=pieces: streamed(*pieces)
        response = chat(guard, AWAY_TURNS, stream=True)
        assert without_field(response.content) == text
        first = json.loads(response.content.split(b"data: ")[1].partition(b"\n")[0])
        assert first["llmood"]["flag"] is True
        assert response.headers["x-llmood-flag"] == "true"
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


def test_a_stream_comes_as_it_is_said(guard: Served, shared: Upstream) -> None:
    shared.says = lambda _: streamed(STREAM[0], 60.0)
    asked = {"model": "m", "messages": HOME_TURNS, "stream": True}
    with guard.client.stream("POST", "/v1/chat/completions", json=asked) as response:
        first = next(response.iter_raw())
    assert without_field(first) == STREAM[0]


@pytest.mark.parametrize(
    "status", [b"400 Bad Request", b"404 Not Found", b"500 Oops", b"307 Temporary Redirect"]
)
def test_errors_and_redirects_pass_to_the_letter(guard: Served, shared: Upstream, status: bytes) -> None:
    body = b'{"error": {"message": "the model `m` does not exist",  "code": 404}}'
    shared.says = lambda _: answer(body, b"location: http://elsewhere.example/v1", status=status)
    response = chat(guard)
    assert response.status_code == int(status.split()[0])
    assert response.content == body
    assert response.headers["location"] == "http://elsewhere.example/v1"
    assert response.headers["x-llmood-flag"] == "false"


@pytest.mark.parametrize(
    "body", [b"<html>busy</html>", b'[{"a": 1}]', b'{"half": ', b"", b"\xff\xfe\x00"], ids=range(5)
)
def test_garbage_passes_to_the_letter(guard: Served, shared: Upstream, body: bytes) -> None:
    shared.says = lambda _: answer(body)
    response = chat(guard)
    assert (response.status_code, response.content) == (200, body)
    assert response.headers["x-llmood-flag"] == "false"


def test_a_stream_of_garbage_passes_to_the_letter(guard: Served, shared: Upstream) -> None:
    text = b"data: {\n\n\x00\xff\n\nevent: x\ndata: 1\ndata: 2\n\ndata: [1]\n\nno end"
    shared.says = lambda _: streamed(text)
    assert chat(guard, stream=True).content == text


def test_what_is_compressed_all_the_same_passes_to_the_letter(guard: Served, shared: Upstream) -> None:
    shared.says = lambda _: answer(b"\x1f\x8b not really", b"content-encoding: gzip")
    asked = {"model": "m", "messages": HOME_TURNS}
    with guard.client.stream("POST", "/v1/chat/completions", json=asked) as response:
        assert b"".join(response.iter_raw()) == b"\x1f\x8b not really"


def test_everything_else_goes_through(guard: Served, shared: Upstream) -> None:
    shared.says = lambda got: answer(
        b"" if got.method == "HEAD" else b'{ "object":"list" }', b"content-type: application/json; x=1"
    )
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        content = None if method in ("GET", "OPTIONS") else b"\x00not JSON"
        response = guard.client.request(method, "/v1/models/a%2Fb?q=%20%7B", content=content)
        assert (response.status_code, response.content) == (200, b'{ "object":"list" }')
        assert not any(name.startswith("x-llmood") for name in response.headers)
        got = shared.got[-1]
        assert (got.method, got.target) == (method, "/v1/models/a%2Fb?q=%20%7B")
        assert got.body == (content or b"")
    assert guard.client.head("/version").status_code == 200
    assert guard.client.get("/v1/chat/completions?limit=2").status_code == 200  # a list of what is stored
    assert shared.got[-1].target == "/v1/chat/completions?limit=2"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../x",
        "/v1/%2e%2e/x",
        "/v1/%252e%252e/x",
        "/v1/..%2fx",
        "/v1/..;/x",
        "/v1/..\\x",
        "//evil.example/x",
        "/v1//models",
        "/v1/%00",
        "/%25252525252e",
        "/v1/chat/completions/",
        "/v1/chat/%2563ompletions",
        "/V1/Chat/Completions",
        "/v1/completions;a=1",
        "/v1/chat%2fcompletions/",
        "/assets/../v1/models",
        "/assets/x",
    ],
)
def test_paths_that_servers_may_read_otherwise_go_nowhere(guard: Served, shared: Upstream, path: str) -> None:
    before = len(shared.got)
    request = httpx2.Request("POST", guard.url, content=b"{}", extensions={"target": path.encode()})
    response = guard.client.send(request)
    assert response.status_code in (400, 404)
    assert response.json()["error"]["code"] in ("bad_path", "not_found")
    assert len(shared.got) == before


def test_a_scored_path_in_disguise_is_scored(guard: Served, shared: Upstream) -> None:
    shared.says = lambda _: answer(PLAIN)
    content = json.dumps({"messages": AWAY_TURNS}).encode()
    for path in (b"/v1/chat%2Fcompletions", b"/v1/%63hat/completions"):
        request = httpx2.Request("POST", guard.url, content=content, extensions={"target": path})
        assert guard.client.send(request).headers["x-llmood-flag"] == "true"
        assert shared.got[-1].target == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_request"),
        (b'"a"', 400, "invalid_request"),
        (b"[" * 100_000, 400, "too_deep"),
        (b"\xff\xff", 400, "invalid_json"),
        (b" " * 2_000_001, 413, "too_large"),
    ],
    ids=range(7),
)
def test_bodies_that_are_none(guard: Served, shared: Upstream, body: bytes, status: int, code: str) -> None:
    before = len(shared.got)
    response = guard.client.post("/v1/chat/completions", content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert len(shared.got) == before


def test_questions_that_cannot_be_scored_pass_marked(
    detector: Path, upstream: Upstream, tmp_path: Path
) -> None:
    bodies: list[dict[str, Any]] = [
        {"prompt": [1, 2, 3]},
        {"prompt": [[1], [2]]},
        {"prompt": ["a bank card", [2]]},
        {"prompt": [f"a bank card {number}" for number in range(300)]},
        {"prompt": None},
        {"prompt": []},
        {"prompt": {"a": 1}},
        {"prompt": "half a pair \ud800"},
        {},
    ]
    with guarding(detector, upstream, events=tmp_path / "events") as served:
        for body in bodies:
            content = json.dumps(body).encode()
            response = served.client.post("/v1/completions", content=content)
            assert response.headers["x-llmood-flag"] == "unknown", body
            assert response.headers["x-llmood-action"] == "passed"
            assert response.json()["llmood"]["reason"]
            assert upstream.got[-1].body == content
    assert len(upstream.got) == len(bodies)
    assert {event.source for event in events_in(tmp_path / "events")} == {"completions"}


def test_questions_that_cannot_be_scored_are_refused(detector: Path, upstream: Upstream) -> None:
    with guarding(detector, upstream, CLOSED) as served:
        response = served.client.post("/v1/completions", json={"model": "m", "prompt": [1, 2]})
        assert response.json()["choices"][0]["text"] == MESSAGE
        assert response.headers["x-llmood-action"] == "refused"
        assert chat(served, AWAY_TURNS).json()["llmood"]["action"] == "passed"
    assert len(upstream.got) == 1


def test_the_wariest_of_several_prompts_counts(detector: Path, upstream: Upstream, tmp_path: Path) -> None:
    with guarding(detector, upstream, REFUSE, events=tmp_path / "events") as served:
        prompts = [HOME[0]["text"], AWAY[0]["text"], HOME[1]["text"]]
        response = served.client.post("/v1/completions", json={"model": "m", "prompt": prompts, "n": 2})
        assert response.headers["x-llmood-flag"] == "true"
        assert [choice["text"] for choice in response.json()["choices"]] == [MESSAGE] * 6
    assert not upstream.got
    events = events_in(tmp_path / "events")
    assert [(event.text, event.flag, event.model) for event in events] == [
        (prompts[0], False, "m"),
        (prompts[1], True, "m"),
        (prompts[2], False, "m"),
    ]
    assert len({event.request_id for event in events}) == 1


def test_a_refusal_is_an_answer_that_the_client_understands(detector: Path, upstream: Upstream) -> None:
    with guarding(detector, upstream, REFUSE) as served:
        client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="k", max_retries=0)
        raw = client.chat.completions.with_raw_response.create(model="m", messages=AWAY_TURNS, n=2)
        whole = raw.parse()
        assert raw.headers["x-llmood-action"] == "refused"
        assert [choice.message.content for choice in whole.choices] == [MESSAGE] * 2
        assert {choice.finish_reason for choice in whole.choices} == {"content_filter"}
        assert whole.model_extra["llmood"]["flag"] is True
        pieces = list(
            client.chat.completions.create(
                model="m", messages=AWAY_TURNS, stream=True, stream_options={"include_usage": True}
            )
        )
        said = [choice.delta.content or "" for piece in pieces for choice in piece.choices]
        assert "".join(said) == MESSAGE
        assert [choice.finish_reason for piece in pieces for choice in piece.choices][-1] == "content_filter"
        assert pieces[-1].usage.total_tokens == 0
        assert pieces[0].model_extra["llmood"]["action"] == "refused"
        text = client.completions.create(model="m", prompt=AWAY[0]["text"])
        assert (text.choices[0].text, text.choices[0].finish_reason) == (MESSAGE, "content_filter")
        texts = list(client.completions.create(model="m", prompt=AWAY[0]["text"], stream=True))
        assert "".join(piece.choices[0].text for piece in texts) == MESSAGE
        assert not upstream.got
        assert client.chat.completions.create(model="m", messages=HOME_TURNS).choices[0].message.content
        client.close()


def by_openai(url: str, says: Callable[[openai.OpenAI], Any]) -> Any:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        return says(client)


def test_the_openai_client_sees_no_difference(guard: Served, shared: Upstream) -> None:
    def said(client: openai.OpenAI) -> list[Any]:
        create = client.chat.completions.create
        whole = create(model="m", messages=HOME_TURNS).model_dump()
        pieces = [piece.model_dump() for piece in create(model="m", messages=HOME_TURNS, stream=True)]
        for each in (whole, *pieces):
            each.pop("llmood", None)
        with pytest.raises(openai.NotFoundError) as raised:
            client.models.retrieve("a/b")
        return [whole, pieces, raised.value.body, raised.value.message]

    def says(got: Got) -> Said:
        if got.method == "GET":
            return answer(b'{"error": {"message": "no such model", "x": 1.0}}', status=b"404 Not Found")
        return streamed(*STREAM) if b'"stream":true' in got.body else answer(CHAT)

    shared.says = says
    assert by_openai(guard.url, said) == by_openai(shared.url, said)
    assert shared.got[-1].target.startswith("/v1/models/a")


def test_tokens_and_keys(detector: Path, upstream: Upstream) -> None:
    settings = Settings(drain=5, token="guard's")
    for key, expected in ((None, None), ("upstream's", "Bearer upstream's")):
        with guarding(detector, upstream, settings=settings, key=key) as served:
            assert chat(served).status_code == 401
            assert served.client.get("/v1/models").status_code == 401
            served.client.headers["authorization"] = "Bearer guard's"
            assert chat(served).status_code == served.client.get("/v1/models").status_code == 200
            assert [got.header("authorization") for got in upstream.got[-2:]] == [expected] * 2
    with guarding(detector, upstream, key="upstream's") as served:
        served.client.headers["authorization"] = "Bearer mine"
        assert chat(served).status_code == 200
        assert upstream.got[-1].header("authorization") == "Bearer upstream's"


def test_a_base_path_is_kept(detector: Path, upstream: Upstream) -> None:
    for ending in ("/models/here", "/models/here/v1", "/models/here/v1/"):
        with guarding(detector, upstream, url=upstream.url + ending) as served:
            assert chat(served).status_code == served.client.get("/v1/x").status_code == 200
        assert [got.target for got in upstream.got[-2:]] == [
            "/models/here/v1/chat/completions",
            "/models/here/v1/x",
        ]


def test_every_question_is_an_event(detector: Path, upstream: Upstream, tmp_path: Path) -> None:
    with guarding(detector, upstream, events=tmp_path / "events") as served:
        response = chat(served, AWAY_TURNS)
        (event,) = events_in(tmp_path / "events")
        assert event.event_id == response.headers["x-llmood-id"]
        assert event.request_id == response.headers["x-request-id"]
        assert (event.source, event.model, event.stage, event.action) == ("chat", "m", "pre", "passed")
        assert (event.text, event.flag) == (AWAY[0]["text"], True)
        assert AWAY[0]["text"] not in served.log.getvalue()
