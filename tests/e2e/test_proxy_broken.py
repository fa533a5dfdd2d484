"""The guard in front of a model, where the model's server, the client, the engine or the disk fails."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from llmood.detector.detector import Detector
from llmood.detector.verdicts import Verdicts
from llmood.errors import EngineError, StoreError
from llmood.events import EventStore
from llmood.serve.settings import Policy, Settings
from tests.proxying import AWAY_TURNS, CLOSED, HOME_TURNS, MESSAGE, chat, events_in, guarding
from tests.raw_upstream import PLAIN, STREAM, Said, Upstream, answer, raw_upstream, streamed
from tests.serving import Served, wait_until
from tests.traffic_rows import fit_two

ASKED = {"model": "m", "messages": HOME_TURNS}
OPEN = Policy("annotate", "open", MESSAGE)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit_two(tmp_path_factory.mktemp("detectors")) / "cheap"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with raw_upstream() as found:
        yield found


def raw(served: Served, asked: Any) -> socket.socket:
    """A client that has asked, and does as it likes."""
    body = json.dumps(asked).encode()
    client = socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])))
    client.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )
    return client


def complaints(served: Served) -> list[str]:
    return [line["message"] for line in served.lines() if line["event"] == "error"]


# ---------------------------------------------------------------------------------------------- the upstream


def test_an_upstream_that_is_down_slow_or_breaks_off(detector: Path, upstream: Upstream) -> None:
    with guarding(detector, upstream, timeout=0.3) as served:
        upstream.says = lambda _: [30.0]
        assert failure(chat(served)) == (504, "upstream_timeout")
        upstream.says = lambda _: [None]
        assert failure(chat(served)) == (502, "upstream_broken")
        upstream.says = lambda _: [b"garbage\r\n\r\n", None]
        assert failure(chat(served)) == (502, "upstream_broken")
        upstream.says = lambda _: [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n", b"content-type: ", None]
        assert failure(chat(served)) == (502, "upstream_broken")
        short = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"
        upstream.says = lambda _: [short, None]
        assert failure(chat(served)) == (502, "upstream_broken")
        with pytest.raises(httpx2.RemoteProtocolError):  # what isn't scored is passed on as it comes
            served.client.get("/v1/models")
        upstream.says = lambda _: [None]
        assert failure(served.client.get("/v1/models"), marked=False) == (502, "upstream_broken")
        assert len(complaints(served)) == 7
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with guarding(detector, upstream, url=f"http://127.0.0.1:{port}/v1") as served:
        assert failure(chat(served)) == (502, "upstream_down")
        assert str(port) not in chat(served).text


def failure(response: httpx2.Response, *, marked: bool = True) -> tuple[int, str]:
    assert ("x-llmood-id" in response.headers) == marked
    error = response.json()["error"]
    assert error["message"].startswith("the model's server")
    return response.status_code, error["code"]


@pytest.mark.parametrize(
    "says",
    [
        answer(PLAIN, status=b"600 What"),
        answer(PLAIN, status=b"999 What"),
        answer(PLAIN, b"x-odd: a\x01b"),
        [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"],
    ],
    ids=["600", "999", "control", "101"],
)
def test_an_answer_that_is_no_http(
    detector: Path, upstream: Upstream, says: Said, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.says = lambda _: says
    with guarding(detector, upstream) as served:
        assert failure(chat(served)) == (502, "upstream_broken")
        assert served.client.get("/v1/models").json()["error"]["code"] == "upstream_broken"
        assert served.client.get("/healthz").status_code == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("piece", [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"H"])
def test_an_answer_that_only_seems_to_begin_is_one_that_doesnt_come(
    detector: Path, upstream: Upstream, piece: bytes
) -> None:
    def endless() -> Iterator[bytes | float]:
        while True:
            yield piece
            yield 0.1

    upstream.says = lambda _: endless()
    with guarding(detector, upstream, timeout=0.5, connect=0.5) as served:
        assert failure(chat(served)) == (504, "upstream_timeout")
        wait_until(lambda: upstream.left == 1)


def test_the_end_of_the_drain_is_an_answer_to_whoever_waits_for_the_model(
    detector: Path, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.says = lambda _: [600.0]
    with guarding(detector, upstream, settings=Settings(drain=1)) as served:
        waiting = raw(served, ASKED)
        wait_until(lambda: len(upstream.got) == 1)
    with waiting:
        answered = waiting.recv(100_000)
    assert answered.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"closing"' in answered
    wait_until(lambda: upstream.left == 1)
    assert not any("CancelledError" in line for line in complaints(served))
    assert capfd.readouterr().err == ""


def test_a_body_that_servers_may_read_in_two_ways_is_not_passed_on(
    detector: Path, upstream: Upstream
) -> None:
    home, away = json.dumps(HOME_TURNS).encode(), json.dumps(AWAY_TURNS).encode()
    bodies = [
        b'{"messages": %b, "messages": %b}' % (home, away),
        b'{"messages": %b, "Messages": %b}' % (home, away),
        b'{"messages": %b, "me\\u017fsages": %b}' % (home, away),  # a long s, which some fold into an s
        b'{"messages": [{"role": "user", "content": "card", "Content": "wine"}]}',
    ]
    with guarding(detector, upstream) as served:
        for body in bodies:
            answered = served.client.post("/v1/chat/completions", content=body)
            assert (answered.status_code, answered.json()["error"]["type"]) == (400, "bad_request")
        assert chat(served, metadata={"id": 1, "ID": 2}).status_code == 200
    assert len(upstream.got) == 1


@pytest.mark.parametrize("stays", [True, False])
def test_a_stream_that_breaks_off_breaks_off_for_the_client(
    detector: Path, upstream: Upstream, stays: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.says = lambda _: streamed(STREAM[0], 30.0 if stays else None)
    with guarding(detector, upstream, timeout=0.3) as served:
        with served.client.stream("POST", "/v1/chat/completions", json={**ASKED, "stream": True}) as response:
            pieces = response.iter_raw()
            assert b"your " in next(pieces)
            with pytest.raises(httpx2.RemoteProtocolError):
                next(pieces)
        assert len(complaints(served)) == 1
        upstream.says = lambda _: answer(PLAIN)
        assert chat(served).status_code == 200
    assert "Traceback" not in capfd.readouterr().err


# ------------------------------------------------------------------------------------------------ the client


@pytest.mark.parametrize("begun", [True, False])
def test_a_client_that_leaves_ends_the_upstreams_work(
    detector: Path, upstream: Upstream, begun: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.says = lambda _: streamed(STREAM[0], 600.0) if begun else [600.0]
    with guarding(detector, upstream) as served:
        with raw(served, {**ASKED, "stream": True}) as client:
            wait_until(lambda: len(upstream.got) == 1)
            if begun:
                assert client.recv(1000)
        wait_until(lambda: upstream.left == 1)
        assert not complaints(served)
    assert "Traceback" not in capfd.readouterr().err


def test_a_client_that_takes_nothing_is_cut_off(detector: Path, upstream: Upstream) -> None:
    upstream.says = lambda _: streamed(*[STREAM[0] * 1000] * 1000)
    with (
        guarding(detector, upstream, settings=Settings(drain=5, timeout=1.0)) as served,
        raw(served, {**ASKED, "stream": True}),
    ):
        wait_until(lambda: upstream.left == 1)
        (line,) = complaints(served)
        assert "the client doesn't take its answer" in line


# ---------------------------------------------------------------------------------------------- no score


def marks(response: httpx2.Response) -> tuple[str, ...]:
    return tuple(response.headers[f"x-llmood-{name}"] for name in ("flag", "action", "status"))


def test_an_engine_that_fails(
    detector: Path, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise EngineError("/secret/model: broke")

    for policy in (OPEN, CLOSED):
        folder = tmp_path / policy.on_failure
        with guarding(detector, upstream, policy, events=folder) as served, monkeypatch.context() as patch:
            patch.setattr(Verdicts, "chunks", fail)
            before = len(upstream.got)
            response = chat(served)
            is_open = policy.on_failure == "open"
            assert marks(response) == ("unknown", "passed" if is_open else "refused", "failed")
            assert len(upstream.got) - before == is_open
            said = response.json()["choices"][0]["message"]["content"]
            assert said == ("your card is fine" if is_open else MESSAGE)
            assert "secret" not in response.text
            assert "/secret/model: broke" in complaints(served)
        (event,) = events_in(folder)
        assert (event.status, event.action) == ("failed", "passed" if is_open else "refused")
        assert event.event_id == response.headers["x-llmood-id"]


class Hanging:
    """An engine that scores nothing until it is let go."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.let_go = threading.Event()
        made = Verdicts.chunks

        def hang(own: Verdicts, *arguments: Any, **more: Any) -> Any:
            self.let_go.wait(60)
            return made(own, *arguments, **more)

        patch.setattr(Verdicts, "chunks", hang)


def test_a_queue_that_is_full(
    detector: Path, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for policy in (OPEN, CLOSED):
        folder = tmp_path / policy.on_failure
        settings = Settings(drain=5, queue=1, batch=1)
        guarded = guarding(detector, upstream, policy, settings, events=folder)
        with guarded as served, monkeypatch.context() as patch:
            engine = Hanging(patch)
            in_hand = raw(served, ASKED)
            wait_until(lambda served=served: is_at_work(served))
            waiting = raw(served, ASKED)
            wait_until(lambda served=served: served.guard.waiting == 1)
            response = chat(served)
            engine.let_go.set()
            with in_hand, waiting:
                assert in_hand.recv(100).startswith(b"HTTP/1.1 200 ")
                assert waiting.recv(100).startswith(b"HTTP/1.1 200 ")
        if policy is OPEN:
            assert marks(response) == ("unknown", "passed", "failed")
            assert response.json()["llmood"]["reason"] == "the queue was full"
        else:
            assert (response.status_code, response.json()["error"]["code"]) == (429, "queue_full")
            assert int(response.headers["retry-after"]) >= 1
        assert len(events_in(folder)) == (3 if policy is OPEN else 2)
    assert len(upstream.got) == 5


def is_at_work(served: Served) -> bool:
    return bool(served.guard._batcher._in_hand)


def test_an_engine_that_hangs(detector: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    with guarding(detector, upstream, OPEN, Settings(drain=5, timeout=0.3)) as served:
        engine = Hanging(monkeypatch)
        response = chat(served)
        assert marks(response) == ("unknown", "passed", "failed")
        assert response.json()["llmood"]["reason"] == "no score could be had in time"
        engine.let_go.set()


def test_a_store_that_is_full(
    detector: Path, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StoreError("/events: no space left on device")

    for policy in (OPEN, CLOSED):
        folder = tmp_path / policy.on_failure
        with guarding(detector, upstream, policy, events=folder) as served, monkeypatch.context() as patch:
            patch.setattr(EventStore, "append", full)
            is_open = policy.on_failure == "open"
            response = chat(served)
            assert marks(response) == ("unknown", "passed" if is_open else "refused", "unrecorded")
            assert "unrecorded" in response.json()["llmood"]["reason"]
            assert any("unrecorded: /events: no space left" in line for line in complaints(served))
        assert not events_in(folder)
    assert len(upstream.got) == 1


def test_models_that_are_being_loaded(
    detector: Path, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    made = Detector.open

    def slow(self: Detector) -> Any:
        let_go.wait(60)
        return made(self)

    for policy in (OPEN, CLOSED):
        let_go.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Detector, "open", slow)
            with guarding(detector, upstream, policy, ready=False) as served:
                wait_until(lambda served=served: answers(served))
                response = chat(served, AWAY_TURNS)
                if policy is OPEN:
                    assert marks(response) == ("unknown", "passed", "failed")
                else:
                    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
                let_go.set()
                wait_until(lambda served=served: served.client.get("/readyz").status_code == 200)
                assert chat(served, AWAY_TURNS).headers["x-llmood-flag"] == "true"


def answers(served: Served) -> bool:
    try:
        return served.client.get("/healthz").status_code == 200
    except httpx2.ConnectError:
        time.sleep(0.02)
        return False
