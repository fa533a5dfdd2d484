"""The page of `llmood serve` over HTTP: with a script and without, with a token and without, and with hostile text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import llmood
from llmood.events import read_events
from llmood.serve.decision import Asked, Decision
from llmood.serve.explaining import MOST_WORDS
from llmood.serve.guard import LOADING, Guard
from llmood.serve.settings import Settings
from tests.detecting import CALIBRATION, SPLITS, detecting_world
from tests.serving import Served, serving
from tests.worlds import llmood as command

INSIDE, OUTSIDE = "a bank card number 10 of mine in travel", "zyx 3 qqq vvv www"
HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)> {{ 7 * 7 }} \x07 \u202e'
TOKEN = "open sesame"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    world = detecting_world(folder / "world")
    llmood.fit_detector(world.config, output_dir=folder / "detector", keep_questions=30)
    return folder / "detector"


@pytest.fixture(scope="module")
def served(detector: Path) -> Iterator[Served]:
    with serving(detector, Settings(drain=5, max_body=100_000)) as found:
        yield found


def test_the_page_and_what_it_is_made_of(served: Served) -> None:
    page = served.client.get("/")
    assert page.status_code == 200
    assert "At most 5 % of the questions" in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path in ("/", "/assets/page.css", "/assets/page.js", "/assets/icon.svg"):
        found = served.client.get(path)
        assert found.status_code == 200
        policy = found.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["referrer-policy"] == "same-origin"
    assert "style=" not in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize("path", ["x", "..%2fpage.py", "%2e%2e/app.py", "page.css%00", ""])
def test_no_other_file_is_served(served: Served, path: str) -> None:
    assert served.client.get(f"/assets/{path}").status_code == 404


def test_a_question_is_answered_without_a_script_as_with_one(served: Served) -> None:
    score = served.score({"text": OUTSIDE}).json()["score"]
    part = served.client.post("/page/answer", json={"text": OUTSIDE}).text
    whole = served.client.post("/", data={"text": OUTSIDE}).text
    for found in (part, whole):
        assert "Outside of what the model was tuned for" in found
        assert "in-domain questions that it was calibrated on looks this unusual" in found
        assert f"{score:.4g}".replace("-", "−") in found
        assert "on average over calibration sets" in found
        assert any(row["text"] in found for row in CALIBRATION)
    assert "Words that moved it" in whole
    assert OUTSIDE in whole.partition("<textarea")[2].partition("</textarea>")[0]
    assert "Like what the model was tuned for" in served.client.post("/", data={"text": INSIDE}).text


def test_a_question_without_a_score_says_why(served: Served) -> None:
    found = served.client.post("/", data={"text": "  "})
    assert found.status_code == 200
    assert "No score" in found.text
    assert "text is empty" in found.text


@pytest.mark.parametrize("path", ["/", "/page/answer", "/page/words"])
def test_hostile_text_is_text(served: Served, path: str) -> None:
    given: dict[str, Any] = {"data" if path == "/" else "json": {"text": HOSTILE}}
    found = served.client.post(path, **given).text
    assert "<script>alert" not in found
    assert "<img" not in found
    assert "\x07" not in found
    assert "\u202e" not in found
    if path != "/page/answer":  # which doesn't repeat the question
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found
        assert "&lt;img" in found
        assert "{{ 7 * 7 }}" in found or "49" not in found.partition("<table")[0]


def test_a_hostile_text_that_was_flagged_is_text(served: Served) -> None:
    text = "zyx qqq vvv www <script>alert(1)</script>"
    assert served.score({"text": text}).json()["flag"]
    for path in ("/", "/page/traffic"):
        shown = served.client.get(path).text
        assert "www &lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "<script>alert" not in shown


def test_half_a_surrogate_pair_is_no_failure(served: Served) -> None:
    for path in ("/page/answer", "/page/words", "/v1/explain"):
        found = served.client.post(path, content=b'{"text": "\\ud800 bank card"}')
        assert found.status_code == 200
        assert "surrogate" in found.text
    assert served.client.post("/", content=b"text=%FF%ED%A0%80+card", headers=FORM).status_code == 200


def test_a_form_that_is_none(served: Served) -> None:
    for content in (b"", b"text", b"&&&", b"text=a&" * 50, b"\xff\xfe"):
        found = served.client.post("/", content=content, headers=FORM)
        assert found.status_code == 200
        assert "No score" in found.text or "What" in found.text or "tuned for" in found.text


def test_a_form_of_another_site_is_refused(served: Served) -> None:
    before = served.client.get("/v1/traffic").json()["windows"][-1]["decisions"]
    found = served.client.post("/", data={"text": INSIDE}, headers={"Sec-Fetch-Site": "cross-site"})
    assert found.status_code == 403
    assert "another site" in found.text
    assert served.client.get("/v1/traffic").json()["windows"][-1]["decisions"] == before


def test_words_are_left_out_one_at_a_time_and_nothing_of_it_is_kept(detector: Path, tmp_path: Path) -> None:
    with serving(detector, events=tmp_path / "events") as served:
        text = "my bank card zyx"
        found = served.client.post("/v1/explain", json={"text": text}).json()
        assert [word["text"] for word in found["words"]] == text.split()
        assert served.client.get("/v1/traffic").json()["windows"][-1]["decisions"] == 0
        for place, word in enumerate(found["words"]):
            rest = " ".join(other for at, other in enumerate(text.split()) if at != place)
            left = served.score({"text": rest}).json()["score"]
            assert word["change"] == pytest.approx(found["score"] - left)
        assert served.score({"text": text}).json()["score"] == pytest.approx(found["score"])
        long = served.client.post("/v1/explain", json={"text": "word " * 500}).json()
        assert long["grouped"]
        assert len(long["words"]) == MOST_WORDS
        alone = served.client.post("/v1/explain", json={"text": "one"}).json()["words"]
        assert alone == [{"text": "one", "change": None, "reason": "no text: text is empty"}]
    assert sum(table.num_rows for table in read_events(tmp_path / "events")) == 5


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"text": 5}', b'{"text": "a", "more": 1}', b"{"])
@pytest.mark.parametrize("path", ["/v1/explain", "/page/answer", "/page/words"])
def test_bodies_that_are_no_question(served: Served, path: str, body: bytes) -> None:
    found = served.client.post(path, content=body)
    assert found.status_code in (400, 422)
    assert set(found.json()["error"]) == {"message", "type", "code"}


@pytest.mark.parametrize(("queue", "most"), [(1024, 8), (5, 5)])
def test_words_are_asked_a_few_at_a_time(
    detector: Path, monkeypatch: pytest.MonkeyPatch, queue: int, most: int
) -> None:
    sizes: list[int] = []
    decide = Guard.decide

    async def watched(self: Guard, asked: Sequence[Asked]) -> list[Decision]:
        sizes.append(len(asked))
        return await decide(self, asked)

    monkeypatch.setattr(Guard, "decide", watched)
    with serving(detector, Settings(drain=5, queue=queue)) as served:
        text = " ".join(f"w{number}" for number in range(22))
        found = served.client.post("/v1/explain", json={"text": text}).json()
    assert [word["text"] for word in found["words"]] == text.split()
    assert sum(sizes) == 23
    assert max(sizes) == most


def test_words_that_take_too_long_are_given_up(detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(detector, Settings(drain=5, timeout=0.3)) as served:
        decide_all = served.guard._batcher._work

        def slow(asked: Sequence[Asked]) -> Sequence[Decision]:
            time.sleep(0.1)
            return decide_all(asked)

        monkeypatch.setattr(served.guard._batcher, "_work", slow)
        found = served.client.post("/v1/explain", json={"text": "word " * 40})
        assert found.status_code == 503
        assert found.json()["error"]["code"] == "timeout"
        whole = served.client.post("/", data={"text": "word " * 40})  # the answer is there all the same
        assert "could not be scored in time" in whole.text
        assert 'class="verdict' in whole.text


def test_traffic_is_counted_beside_the_promise(detector: Path) -> None:
    with serving(detector) as served:
        served.score({"records": [{"text": f"{OUTSIDE} {i}"} for i in range(25)] + [{"text": ""}]})
        found = served.client.get("/v1/traffic").json()
        assert [window["name"] for window in found["windows"]] == ["minute", "hour", "start"]
        for window in found["windows"]:
            assert (window["decisions"], window["scored"], window["flagged"]) == (26, 25, 25)
            assert window["standing"] == "above"
        assert found["promised"] == 0.05
        assert found["statuses"] == {"ok": 25, "failed": 1}
        assert len(found["flagged"]) == 20
        assert sum(minute["flagged"] for minute in found["minutes"]) == 25
        assert found["p50"] <= found["p99"]
        part = served.client.get("/page/traffic").text
        assert "25 of 25, 1 without a score" in part
        assert "more than promised" in part
        assert served.client.get("/").text.count(OUTSIDE) == 20


def test_no_question_of_others_is_shown_where_none_may_be(detector: Path) -> None:
    with serving(detector, Settings(drain=5, show_text=False)) as served:
        found = served.client.post("/page/answer", json={"text": OUTSIDE}).text
        assert "shows no questions of others" in found
        assert not any(row["text"] in found for row in CALIBRATION)
        assert served.client.get("/v1/traffic").json()["flagged"] is None
        assert OUTSIDE not in served.client.get("/").text


@pytest.mark.parametrize("host", ["evil.example:8080", "127.0.0.1.evil.example", "192.0.2.7", "[", ""])
def test_questions_of_others_are_not_read_by_another_name(served: Served, host: str) -> None:
    served.score({"text": OUTSIDE})
    headers = {"Host": host}
    assert OUTSIDE in served.client.get("/").text
    for path in ("/", "/page/traffic", "/v1/traffic"):
        found = served.client.get(path, headers=headers)
        assert found.status_code < 500
        assert OUTSIDE not in found.text
    answer = served.client.post("/page/answer", json={"text": OUTSIDE}, headers=headers).text
    assert not any(row["text"] in answer for row in CALIBRATION)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "[::1]:8080", "127.0.0.1"])
def test_names_of_this_machine(served: Served, host: str) -> None:
    served.score({"text": OUTSIDE})
    assert OUTSIDE in served.client.get("/", headers={"Host": host}).text


def test_a_detector_that_keeps_no_questions_says_how_to_have_some(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    llmood.fit_detector(world.config, output_dir=tmp_path / "bare")
    with serving(tmp_path / "bare") as served:
        assert "--keep-questions" in served.client.post("/page/answer", json={"text": INSIDE}).text


def test_with_a_token_the_page_is_open_and_tells_nothing(detector: Path) -> None:
    with serving(detector, Settings(drain=5, token=TOKEN)) as served:
        page = served.client.get("/")
        assert page.status_code == 200
        assert 'name="token"' in page.text
        for told in ("At most", "likelihood_ratio", "flagged"):
            assert told not in page.text
        assert served.client.get("/assets/page.js").status_code == 200
        for method, path in (
            ("GET", "/page/traffic"),
            ("GET", "/v1/traffic"),
            ("POST", "/page/answer"),
            ("POST", "/page/words"),
            ("POST", "/v1/explain"),
        ):
            assert served.client.request(method, path, json={"text": INSIDE}).status_code == 401
        for given in ({}, {"token": "another"}, {"token": "öffne"}):
            refused = served.client.post("/", data={"text": INSIDE, **given})
            assert refused.status_code == 401
            assert "the token is missing, or another" in refused.text
            assert "tuned for</h3>" not in refused.text
            assert "At most" not in refused.text
        found = served.client.post("/", data={"text": INSIDE, "token": TOKEN})
        assert "Like what the model was tuned for" in found.text
        assert TOKEN not in found.text
        shown = {"Authorization": f"Bearer {TOKEN}"}
        seen = served.client.get("/v1/traffic", headers=shown).json()
        assert seen["windows"][-1]["decisions"] == 1


def test_a_detector_of_answers_takes_one_beside_the_question(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    llmood.fit_detector(world.config, output_dir=tmp_path / "post", scorers=["likelihood.response"])
    with serving(tmp_path / "post") as served:
        assert 'name="response"' in served.client.get("/").text
        given = {"text": INSIDE, "response": "yes of course"}
        expected = served.score(given).json()["score"]
        found = served.client.post("/", data=given).text
        assert f"{expected:.4g}".replace("-", "−") in found
        assert "in-domain answers" in found
        assert "Words that moved it" in found


def test_a_prompt_of_several_columns_is_asked_to_the_letter(tmp_path: Path) -> None:
    splits = {split: [{**row, "where": "here"} for row in rows] for split, rows in SPLITS.items()}
    world = detecting_world(
        tmp_path / "world", bank=splits, near=None, far=None, task={"prompt": "{{ where }}: {{ text }}"}
    )
    llmood.fit_detector(world.config, output_dir=tmp_path / "d", scorers=["likelihood_ratio"])
    with serving(tmp_path / "d") as served:
        assert "Prompt, to the letter" in served.client.get("/").text
        explained = served.client.post("/v1/explain", json={"text": "a bank card"}).json()
        assert (explained["status"], len(explained["words"])) == ("ok", 3)
        expected = served.score({"prompt": f"here: {INSIDE}"}).json()["score"]
        found = served.client.post("/page/answer", json={"text": f"here: {INSIDE}"}).text
        assert f"{expected:.4g}".replace("-", "−") in found
        assert "here:" in served.client.post("/page/words", json={"text": f"here: {INSIDE}"}).text


def test_a_guard_that_is_not_ready_says_so_on_the_page(
    detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(detector) as served, monkeypatch.context() as patched:
        patched.setattr(Guard, "lacks", LOADING)
        found = served.client.post("/", data={"text": INSIDE})
        assert found.status_code == 503
        assert "the models are being loaded" in found.text
        assert found.headers["retry-after"] == "5"


def test_the_command_line_shows_questions_to_this_machine_or_to_a_token(
    detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmood.serve.server import Server

    made = []
    monkeypatch.setattr(Server, "__init__", lambda self, make, *_: made.append(make(lambda _: None)))
    monkeypatch.setattr(Server, "run", lambda _: None)
    monkeypatch.setenv("GUARD_TOKEN", TOKEN)
    local, open_to_all = ["--port", "0"], ["--port", "0", "--host", "0.0.0.0"]
    for flags in (local, [*local, "--no-text"], open_to_all, [*open_to_all, "--token-env", "GUARD_TOKEN"]):
        assert command("serve", detector, *flags).code == 0
    edges = [next(each for each in app.user_middleware if "settings" in each.kwargs) for app in made]
    assert [edge.kwargs["settings"].show_text for edge in edges] == [True, False, False, True]
    assert [edge.kwargs["settings"].local_names for edge in edges] == [True, True, False, False]
