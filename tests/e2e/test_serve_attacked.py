"""`llmood serve` among clients, pages and engines that mean no good."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from llmood.detector.verdicts import Verdicts
from llmood.errors import StoreError
from llmood.events import EventStore
from llmood.serve import connection
from llmood.serve.logs import RequestLog
from llmood.serve.settings import Settings
from tests.proxying import events_in
from tests.raw_client import asked, asking, connected, rest_of
from tests.serving import Served, serving, wait_until
from tests.traffic_rows import fit_two

SCORE = "/v1/score"
ESTABLISHED = 1  # of Linux' states of a connection
UNASKED = "content-type: text/plain"


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit_two(tmp_path_factory.mktemp("detectors")) / "cheap"


@pytest.fixture(scope="module")
def served(detector: Path) -> Iterator[Served]:
    with serving(detector, Settings(drain=5, local_names=True)) as found:
        yield found


def errors(served: Served) -> list[str]:
    return [line["message"] for line in served.lines() if line["event"] == "error"]


def is_gone(client: socket.socket) -> bool:
    """Whether the other side has broken off, without a look at what it said before: Linux tells of the state first."""
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED


# ------------------------------------------------------------------------------------------------- clients


def test_clients_that_leave_at_any_moment_are_a_line_each(detector: Path) -> None:
    said = asking(SCORE, {"text": "hello card"})
    with serving(detector) as served:
        for length in range(0, len(said), 5):
            with connected(served) as client:
                client.sendall(said[:length])
        assert served.score({"text": "still there"}).status_code == 200
        begun = sum(length >= said.index(b"\r\n\r\n") + 4 for length in range(0, len(said), 5))
        wait_until(lambda: sum(line.get("status") == 499 for line in served.lines()) >= begun)
        assert errors(served) == []


def test_who_leaves_takes_its_questions_out_of_the_queue(
    detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go = threading.Event()
    whole = Verdicts.chunks

    def held(self: Verdicts, *arguments: object, **keys: object) -> object:
        may_go.wait(30)
        return whole(self, *arguments, **keys)  # type: ignore[arg-type]

    with serving(detector) as served, connected(served) as first, monkeypatch.context() as patched:
        patched.setattr(Verdicts, "chunks", held)
        first.sendall(asking(SCORE, {"text": "first"}))
        wait_until(lambda: served.guard._batcher.busy_for > 0)
        with connected(served) as second:
            second.sendall(asking(SCORE, {"records": [{"text": str(number)} for number in range(9)]}))
            wait_until(lambda: served.guard.waiting == 9)
        wait_until(lambda: served.guard.waiting == 0)
        may_go.set()
        assert rest_of(first).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nhost: local", asking("/healthz", method="GET")[:-2]]
)
def test_a_connection_that_asks_nothing_is_closed(
    detector: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connection, "IDLE", 0.3)
    with serving(detector) as served, connected(served) as idle:
        idle.sendall(said)
        assert idle.recv(10) == b""


def test_a_client_that_reads_nothing_is_cut_off_on_every_route(detector: Path) -> None:
    with serving(detector, Settings(drain=5, timeout=0.5)) as served:
        with connected(served) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.settimeout(0.2)
            page = asking("/openapi.json", method="GET").replace(b"connection: close\r\n", b"")
            with pytest.raises(OSError):  # noqa: PT011 - its buffer is full, or it was cut off already
                deaf.sendall(page * 300_000)
            wait_until(lambda: is_gone(deaf))
        assert served.score({"text": "still there"}).status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x-many: y\r\n" * 100_000,
        b"GET /" + b"a" * 200_000,
        b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["garbage", "headers", "address", "lengths", "chunks"],
)
def test_what_is_no_http_gets_an_error_like_all_others(served: Served, said: bytes) -> None:
    with connected(served) as client:
        with suppress(OSError):  # it may be refused before its end
            client.sendall(said)
        answer = rest_of(client)
    if answer:  # else the system threw it away, with what was not read
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_http"
    assert served.client.get("/healthz").status_code == 200
    assert all(isinstance(line, dict) for line in served.lines())


# ------------------------------------------------------------------------------------------------- browsers


@pytest.mark.parametrize("path", ["/", SCORE, "/v1/explain", "/page/answer"])
@pytest.mark.parametrize(
    "header",
    [
        "origin: https://example.com",
        "origin: null",
        "sec-fetch-site: cross-site",
        "sec-fetch-site: same-site",
    ],
)
def test_a_page_of_another_site_can_ask_nothing(served: Served, path: str, header: str) -> None:
    status, error = asked(served, asking(path, b'{"text": "x"}', UNASKED, header))
    assert (status, error["code"]) == (403, "cross_site")  # type: ignore[index]


@pytest.mark.parametrize(
    "header", ["origin: http://localhost", "sec-fetch-site: same-origin", "sec-fetch-site: none"]
)
def test_the_page_itself_can(served: Served, header: str) -> None:
    assert (
        asked(served, asking("/", b"text=x", "content-type: application/x-www-form-urlencoded", header))[0]
        == 200
    )


def test_a_name_that_was_led_here_is_not_answered_to(served: Served) -> None:
    for path in ("/", "/v1/traffic", "/healthz"):
        status, error = asked(served, asking(path, method="GET", host="example.com:8080"))
        assert (status, error["code"]) == (421, "wrong_host")  # type: ignore[index]
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "guard.localhost"):
        assert asked(served, asking("/healthz", method="GET", host=host))[0] == 200


def test_nothing_of_other_hosts_and_no_redirect(served: Served) -> None:
    for path in ("/docs", "/redoc", "/v1/detector/"):
        assert served.client.get(path).status_code == 404
    assert served.client.get("/v1/traffic").headers["cache-control"] == "no-store"


# -------------------------------------------------------------------------------------------------- engines


def test_a_bug_is_an_answer_in_json_and_a_line_without_a_users_words(
    detector: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise TypeError("words of a user")

    with serving(detector) as served, monkeypatch.context() as patched:
        patched.setattr(Verdicts, "chunks", broken)
        answer = served.score({"text": "x"}, headers={"x-request-id": "mine"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "bug")
        assert answer.headers["x-request-id"] == "mine"
        wait_until(lambda: len(errors(served)) == 1)
        (line,) = errors(served)
        assert "TypeError < test_serve_attacked.py" in line
        assert "words of a user" not in served.log.getvalue()
        assert (
            'llmood_requests_total{path="/v1/score",status="500"} 1.0' in served.client.get("/metrics").text
        )
    assert capfd.readouterr().err == ""


def test_an_engine_that_hangs_is_told_and_doesnt_hold_up_the_end(
    detector: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    may_go = threading.Event()
    whole = Verdicts.chunks

    def hangs(self: Verdicts, *arguments: object, **keys: object) -> object:
        may_go.wait(60)
        return whole(self, *arguments, **keys)  # type: ignore[arg-type]

    try:
        with serving(detector, Settings(drain=1, timeout=0.3), events=tmp_path / "events") as served:
            kept = served.score({"text": "before"}).json()["id"]
            monkeypatch.setattr(Verdicts, "chunks", hangs)
            assert served.score({"text": "x"}).json()["error"]["code"] == "timeout"
            answer = served.score({"text": "x"})
            assert (answer.status_code, answer.json()["error"]["message"]) == (
                503,
                "scoring has come to a stop",
            )
            ready = served.client.get("/readyz")
            assert (ready.status_code, ready.json()) == (503, {"status": "stuck"})
            assert served.client.get("/healthz").status_code == 200
            assert served.guard.waiting == 0
            began = time.monotonic()
        assert time.monotonic() - began < 20
        assert served.guard.is_left_behind
        EventStore(tmp_path / "events").close()  # it was let go of
        assert [event.event_id for event in events_in(tmp_path / "events")] == [kept]
    finally:
        may_go.set()


def test_a_full_disk_costs_no_scoring_of_each_row_again(
    detector: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    batches: list[int] = []
    whole = Verdicts.chunks

    def counted(self: Verdicts, records: list[object], **keys: object) -> object:
        batches.append(len(records))
        return whole(self, records, **keys)  # type: ignore[arg-type]

    def full(*_: object) -> None:
        raise StoreError("no space left on device")

    with serving(detector, events=tmp_path / "events") as served, monkeypatch.context() as patched:
        patched.setattr(Verdicts, "chunks", counted)
        patched.setattr(EventStore, "append", full)
        answer = served.score({"records": [{"text": str(number)} for number in range(40)]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "scoring_failed")
        assert sum(batches) <= 40


def test_a_log_that_cant_be_written_keeps_nobody_from_an_answer() -> None:
    class Full(io.StringIO):
        is_full = False

        def write(self, text: str) -> int:
            if self.is_full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Full()
    log = RequestLog(stream)
    stream.is_full = True
    log.write("request")
    log.write("request")
    stream.is_full = False
    log.write("request")
    log.write("request")
    assert [json.loads(line).get("lost_before") for line in stream.getvalue().splitlines()] == [2, None]
