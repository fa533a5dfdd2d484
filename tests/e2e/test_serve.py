"""`llmood serve` as a client and as an operator see it, over the fake engine."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import httpx2
import pytest

import llmood as package
from llmood.events import read_events
from llmood.serve.settings import Settings
from tests.serving import Served, serving, wait_until
from tests.traffic_rows import AWAY, HOME, fit_two
from tests.worlds import llmood, refused

NAMES = ("score", "p_value", "flag", "confidence", "status", "reason")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit_two(tmp_path_factory.mktemp("detectors")) / "detector"


@pytest.fixture(scope="module")
def served(detector: Path) -> Iterator[Served]:
    with serving(detector, Settings(drain=5, max_body=100_000)) as found:
        yield found


def test_scores_are_those_of_llmood_score_alone_together_and_at_once(served: Served, detector: Path) -> None:
    records = [*HOME[:20], *AWAY[:10], {"text": ""}]
    table = package.load_detector(detector).score(records).astype(object)
    expected = [
        {name: row[name] for name in NAMES} for row in table.where(table.notna(), None).to_dict("records")
    ]
    together = served.score({"records": records}).json()["results"]
    assert [{name: row[name] for name in NAMES} for row in together] == expected
    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda record: served.score(record).json(), records))
    assert [{name: row[name] for name in NAMES} for row in alone] == expected
    assert all(row["action"] == "scored" for row in alone)
    assert len({row["id"] for row in (*alone, *together)}) == 2 * len(records)


def test_messages_and_prompts_are_read_as_in_a_file(served: Served) -> None:
    text = HOME[0]["text"]
    asked: list[dict[str, Any]] = [
        {"text": text},
        {"messages": [{"role": "user", "content": text}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
    ]
    scores = {served.score(record).json()["score"] for record in asked}
    assert len(scores) == 1


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "the body is no JSON: expecting value (line 1, column 1)"),
        (b"{'text': 1}", 400, "the body is no JSON"),
        (b"[" * 50_000, 400, "the body is nested deeper than 64 levels"),
        (b'{"text": 3}', 422, "text: input should be a valid string"),
        (b'{"messages": [{"content": "x"}]}', 422, "messages.0.role: field required"),
        (b'{"records": []}', 422, "records: list should have at least 1 item"),
        (b'{"records": [3]}', 422, "records.0: input should be a valid dictionary"),
        (b'{"records": [{}], "x": 1}', 422, "x: extra inputs are not permitted"),
        (b'"text"', 422, "the body: input should be a valid dictionary"),
        (b'{"text": "' + b"x" * 100_000 + b'"}', 413, "the body is over 100000 bytes"),
    ],
)
def test_a_bad_request_gets_a_status_and_one_line(
    served: Served, body: bytes, status: int, message: str
) -> None:
    answer = served.client.post("/v1/score", content=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["message"].startswith(message)
    assert set(error) == {"message", "type", "code"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a \ud800 b", "text: holds half of a surrogate pair (broken Unicode)"),
        ("a \0 b", "text: holds a NUL character"),
        (" \n", "no text: text is empty"),
    ],
)
def test_a_question_that_cant_be_scored_says_why(served: Served, text: str, reason: str) -> None:
    answer = served.client.post("/v1/score", content=json.dumps({"text": text}))
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["reason"]) == ("failed", reason)
    assert answer.json()["score"] is None


def test_a_body_of_unknown_length_is_cut_off_where_it_is_too_long(served: Served) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(1000):
            yield b"x" * 1000

    answer = served.client.post("/v1/score", content=endless())
    assert answer.status_code == 413


def test_routes_that_arent_there_and_methods_that_dont_fit(served: Served) -> None:
    error = served.client.get("/v1/nothing").json()["error"]
    assert (error["code"], error["message"]) == ("not_found", "there is no such path")
    answer = served.client.get("/v1/score")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["message"] == "the path takes POST, not GET"
    assert served.client.get("/healthz").json() == {"status": "alive"}


def test_a_chat_without_a_model_behind_the_guard_is_told_what_to_do(served: Served) -> None:
    answer = served.client.post("/v1/chat/completions", json={})
    assert answer.status_code == 404
    assert "'llmood serve --upstream' names one" in answer.json()["error"]["message"]


def test_no_page_that_loads_from_another_host(served: Served) -> None:
    assert {served.client.get(path).status_code for path in ("/docs", "/redoc")} == {404}


def test_the_log_says_when_questions_are_taken(served: Served) -> None:
    wait_until(lambda: any(line["event"] == "ready" for line in served.lines()))


def test_a_request_keeps_its_name_unless_it_is_an_odd_one(served: Served) -> None:
    named = served.score({"text": "x"}, headers={"x-request-id": "mine-1"})
    assert named.headers["x-request-id"] == "mine-1"
    odd = served.score({"text": "x"}, headers={"x-request-id": "a" * 500})
    assert re.fullmatch(r"[0-9a-f]{32}", odd.headers["x-request-id"])


def test_the_detector_says_what_it_promises_and_nothing_of_the_machine(
    served: Served, detector: Path
) -> None:
    about = served.client.get("/v1/detector")
    (threshold,) = about.json()["thresholds"]
    assert (threshold["target"], threshold["alpha"]) == ("false_alarms", 0.05)
    assert about.json()["digest"] == package.load_detector(detector).digest
    assert str(detector.parent) not in about.text


def test_prometheus_sees_requests_decisions_and_the_queue(served: Served) -> None:
    served.score({"text": "counted"})
    served.client.get("/strange/path/of/a/client")
    text = served.client.get("/metrics").text
    assert 'llmood_decisions_total{action="scored",source="score",status="ok"}' in text
    assert "llmood_waiting 0.0" in text
    assert "llmood_ready 1.0" in text
    assert "strange" not in text
    count = float(re.findall(r"^llmood_p_value_count ([0-9.]+)$", text, re.MULTILINE)[0])
    assert count >= 1


def test_the_log_has_a_line_for_each_request_and_no_question(served: Served) -> None:
    served.score({"text": "a private matter"}, headers={"x-request-id": "logged"})
    wait_until(lambda: any(line.get("request_id") == "logged" for line in served.lines()))
    (line,) = [line for line in served.lines() if line.get("request_id") == "logged"]
    assert (line["path"], line["status"], line["questions"]) == ("/v1/score", 200, 1)
    assert "private" not in served.log.getvalue()


def test_a_token_is_asked_for_where_there_is_one(detector: Path) -> None:
    with serving(detector, Settings(drain=5, token="s3cret", log_text=True)) as guarded:
        assert guarded.client.get("/readyz").status_code == 200
        for path in ("/v1/detector", "/metrics", "/openapi.json"):
            refusal = guarded.client.get(path)
            assert (refusal.status_code, refusal.headers["www-authenticate"]) == (401, "Bearer")
        for shown in ("s3cret", "Basic s3cret", "Bearer s3cre", "Bearer s3crett", "Bearer", "Bearer \xe9"):
            headers = {"authorization": shown.encode("latin-1")}
            assert guarded.score({"text": "x"}, headers=headers).status_code == 401
        allowed = guarded.score({"text": "told"}, headers={"authorization": "bearer s3cret"})
        assert allowed.status_code == 200
        wait_until(lambda: "told" in guarded.log.getvalue())
        assert "s3cret" not in guarded.log.getvalue()


def test_a_token_may_hold_any_letters(detector: Path) -> None:
    token = "schlüssel-à"
    with serving(detector, Settings(drain=5, token=token)) as guarded:
        for shown, status in ((token, 200), (token[:-1], 401)):
            headers = {"authorization": f"Bearer {shown}".encode()}
            assert guarded.score({"text": "x"}, headers=headers).status_code == status


@pytest.mark.parametrize("private", [False, True])
def test_every_decision_is_in_the_store(detector: Path, tmp_path: Path, private: bool) -> None:
    with serving(detector, events=tmp_path / "events", private=private) as kept:
        answers = kept.score({"records": [{"text": "private words"}, {"text": ""}]}).json()["results"]
        (table,) = read_events(tmp_path / "events")
        rows = table.to_pylist()
        assert [row["event_id"] for row in rows] == [answer["id"] for answer in answers]
        assert [row["status"] for row in rows] == ["ok", "failed"]
        assert [row["text"] for row in rows] == ([None, None] if private else ["private words", ""])
    if private:
        written = [path.read_bytes() for path in (tmp_path / "events").iterdir()]
        assert not any(b"private words" in content for content in written)


def test_a_client_that_sends_nothing_or_leaves_does_no_harm(detector: Path) -> None:
    with serving(detector, Settings(drain=5, timeout=0.5)) as guarded:
        port = int(guarded.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
            assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(("127.0.0.1", port)) as leaver:
            body = b'{"text": "bye"}'
            leaver.sendall(
                b"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
        assert guarded.score({"text": "still there"}).status_code == 200


# ------------------------------------------------------------------------------------------ as a process


class Process:
    """`llmood serve` on a port of its own choice."""

    def __init__(self, *arguments: Any) -> None:
        command = [sys.executable, "-m", "llmood", "serve", *map(str, arguments), "--port", "0"]
        self.process = Popen(command, stderr=PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        assert self.process.stderr is not None
        self.lines = [self.process.stderr.readline()]
        self.url = json.loads(self.lines[0])["url"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: httpx2.get(f"{self.url}/readyz").status_code == 200)

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        status = self.process.wait(60)
        self._reader.join(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


def test_what_was_answered_is_in_the_store_after_kill_9_and_the_next_guard_goes_on(
    detector: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    for _ in range(2):
        guard = Process(detector, "--events", tmp_path / "events", "--batch", 4)
        gone = threading.Event()

        enough = len(told) + 60

        def ask(worker: int, guard: Process = guard, gone: threading.Event = gone) -> None:
            with httpx2.Client(base_url=guard.url) as client:
                for number in range(10_000):
                    try:
                        answer = client.post("/v1/score", json={"text": f"card {worker} {number}"})
                    except httpx2.TransportError:
                        gone.set()
                        return
                    told.append(answer.json()["id"])

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask, worker) for worker in range(4)]
            wait_until(lambda enough=enough: len(told) > enough)  # type: ignore[misc]
            assert guard.end(signal.SIGKILL) == -signal.SIGKILL
            for each in asking:
                each.result()
        assert gone.is_set()
    kept = [name for table in read_events(tmp_path / "events") for name in table["event_id"].to_pylist()]
    assert len(kept) == len(set(kept))
    assert set(told) <= set(kept)


def test_sigterm_answers_what_was_begun_and_ends_with_0(detector: Path, tmp_path: Path) -> None:
    guard = Process(detector, "--events", tmp_path / "events", "--batch", 1, "--latency", 60)
    with ThreadPoolExecutor(8) as pool:
        asking = [
            pool.submit(httpx2.post, f"{guard.url}/v1/score", json={"records": HOME[:40]}, timeout=60)
            for _ in range(8)
        ]
        wait_until(lambda: httpx2.get(f"{guard.url}/metrics").text.find("llmood_waiting 0.0") < 0)
        assert guard.end(signal.SIGTERM) == 0
        answers = [each.result() for each in asking]
    assert {answer.status_code for answer in answers} == {200}
    assert sum(table.num_rows for table in read_events(tmp_path / "events")) == 8 * 40
    assert not any("Traceback" in line for line in guard.lines)


def test_what_is_wrong_is_said_before_a_port_opens(
    detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(llmood("serve", tmp_path), "holds no detector")
    monkeypatch.delenv("GUARD_TOKEN", raising=False)
    refused(llmood("serve", detector, "--token-env", "GUARD_TOKEN"), "GUARD_TOKEN is not set")
    (tmp_path / "notes.txt").write_text("x")
    refused(llmood("serve", detector, "--events", tmp_path), "holds no events")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(llmood("serve", detector, "--port", port), "address already in use")


def test_help_names_the_command() -> None:
    assert "Score questions over HTTP" in llmood("serve", "--help").out
