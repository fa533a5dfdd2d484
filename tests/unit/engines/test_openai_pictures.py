"""Pictures to a server: what is sent of them, what is compared, and what is refused by name."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from llmood.config import EngineConfig, Models
from llmood.engines.base import Captured, Request
from llmood.engines.fake_model import FakeModel
from llmood.engines.openai import OpenAIEngine
from llmood.engines.pictures import PictureTokenizer
from llmood.engines.placing import placing
from llmood.engines.prompts import Prompt
from llmood.engines.requests import request_of
from llmood.engines.server import pictures as module
from llmood.engines.server.pictures import data_url, shown
from llmood.errors import ConfigError
from llmood.picture_records import Picture
from llmood.records import CaptureSpec, Message
from llmood.tasks.images.read import image_digest
from tests.pictures import demo_pictures, saved, speckled
from tests.seeing import picture as picture_of
from tests.stub_server import CHAT, COMPLETIONS, Stub, bytes_of
from tests.tiny_pictures import TEMPLATE, save_pictured

RESPONSE = CaptureSpec.of("response", "tuned", max_new_tokens=6)
PROMPT = CaptureSpec.of("prompt_logprobs", "tuned")
OF_ANSWER = CaptureSpec.of("prompt_logprobs", "tuned", "response")
OF_BOTH = CaptureSpec.of("prompt_logprobs", "tuned", "prompt_response")
TURNS = (Message("system", "be brief"), Message("user", "what is red?"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictured(tmp_path_factory.mktemp("served"), split=True)


@pytest.fixture
def seeing_stub(stub: Stub, folder: Path) -> Stub:
    """A server of a model that sees, which reads as its own processor does."""
    reader = PictureTokenizer(folder, folder, place="stub")
    stub.sees, stub.reader, stub.context = True, reader, 600
    stub.reads = lambda token: reader.decode([token])
    return stub


def engine_of(stub: Stub, **server: Any) -> OpenAIEngine:
    config = EngineConfig.model_validate(
        {"kind": "openai", "server": {"url": stub.url, "retries": 0, **server}}
    )
    return OpenAIEngine(config, Models.model_validate({"base": "base", "tuned": "tuned"}))


def request_for(engine: OpenAIEngine, image: Image.Image, data: bytes | Path | None = None) -> Request:
    reader = placing(engine.tokenizer("tuned"))
    good = Picture(image_digest(image), saved(image, "BMP"))
    placed = reader.place_shown(reader.render(TURNS, 1), (good,), rendered=True)
    picture = good if data is None else Picture(good.digest, data)
    prompt = Prompt("s", placed.token_ids, messages=TURNS, pictures=(picture,), places=placed.places)
    made = request_of(engine, PROMPT, prompt, None)
    assert isinstance(made, Request)
    return made


def run(engine: OpenAIEngine, spec: CaptureSpec, *requests: Request) -> list[Captured]:
    found = dict(item for batch in engine.run(spec, requests) for item in batch)
    return [found[index] for index in range(len(requests))]


def pixels_of(url: str) -> Image.Image:
    kind, _, data = url.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_chat_without_a_tokenizer(stub: Stub) -> None:
    stub.sees = True
    engine = engine_of(stub)
    assert engine.refuses_pictures() is None
    assert engine.lacks_of_pictures(RESPONSE) is None
    assert "tokenizer" in str(engine.lacks_of_pictures(PROMPT))
    images = demo_pictures(2)
    requests = [request_for(engine, image) for image in images]
    stub.forget()
    one, other = run(engine, RESPONSE, *requests)
    assert (one.status, other.status) == ("ok", "ok")
    assert one.values["text"]
    bodies = [body for body in stub.bodies(CHAT) if isinstance(body["messages"][-1]["content"], list)]
    assert len(bodies) == 2
    seen = set()
    for body in bodies:
        system, user = body["messages"]
        assert system == {"role": "system", "content": "be brief"}
        picture, words = user["content"]
        assert words == {"type": "text", "text": "what is red?"}
        seen.add(image_digest(pixels_of(picture["image_url"]["url"])))
    assert seen == {image_digest(image) for image in images}


def test_prompts_are_scored_in_a_chat_of_vllms(seeing_stub: Stub, folder: Path) -> None:
    engine = engine_of(seeing_stub, tokenizer=str(folder))
    assert engine.refuses_pictures() is None
    assert [engine.lacks_of_pictures(spec) for spec in (PROMPT, RESPONSE, OF_ANSWER)] == [None] * 3
    assert "takes no token ids" in str(engine.lacks_of_pictures(OF_BOTH))
    assert "derived" in str(
        engine.lacks_of_pictures(CaptureSpec.of("next_token", "tuned", "derived:p_true@1"))
    )
    requests = [request_for(engine, image) for image in (*demo_pictures(1), speckled(64, 32))]
    assert len({len(request.token_ids) for request in requests}) == 2
    for request, found in zip(requests, run(engine, PROMPT, *requests), strict=True):
        assert (found.status, found.reason) == ("ok", None)
        ((_, start, stop),) = request.spans[1:]
        expected = FakeModel("tuned").logprobs(bytes_of(request.token_ids))
        for place, (ours, theirs) in enumerate(zip(found.values["logprobs"], expected, strict=True)):
            assert (
                ours is None
                if start <= place < stop or not place
                else ours == pytest.approx(theirs, abs=1e-6)
            )
    for found in run(engine, RESPONSE, *requests):
        assert found.values["token_ids"]
        assert len(found.values["logprobs"]) == len(found.values["token_ids"])


def test_words_still_go_as_ids(seeing_stub: Stub, folder: Path) -> None:
    engine = engine_of(seeing_stub, tokenizer=str(folder))
    (ids,) = engine.tokenizer("tuned").encode(["which?"], rendered=False)
    seeing_stub.forget()
    (found,) = run(engine, PROMPT, Request(ids))
    assert found.status == "ok"
    assert any(body["prompt"] == list(ids) for body in seeing_stub.bodies(COMPLETIONS))


def test_a_picture_that_is_read_otherwise_fails_its_sample(seeing_stub: Stub, folder: Path) -> None:
    engine = engine_of(seeing_stub, tokenizer=str(folder))
    good = request_for(engine, demo_pictures(1)[0])
    other = request_for(engine, speckled(64, 32))
    wrong = replace(good, token_ids=other.token_ids, spans=other.spans)
    for spec in (PROMPT, RESPONSE):
        first, second = run(engine, spec, good, wrong)
        assert (first.status, second.status) == ("ok", "failed")
        assert "other tokens back than" in str(second.reason)


def test_what_cannot_be_sent_is_a_row_of_its_own(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.sees = True
    engine = engine_of(stub)
    small, large = demo_pictures(1)[0], speckled(64, 64)
    monkeypatch.setattr(module, "MOST_BYTES", 5000)
    requests = [
        request_for(engine, small),
        request_for(engine, large),
        request_for(engine, small, tmp_path / "gone.png"),
    ]
    found = run(engine, RESPONSE, *requests)
    assert [each.status for each in found] == ["ok", "unscored", "failed"]
    assert "64 × 64 pixels make a PNG of over" in str(found[1].reason)
    assert "gone.png" in str(found[2].reason)


def test_servers_that_cannot_see_are_refused_by_name(
    stub: Stub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = engine_of(stub).refuses_pictures()
    assert str(blind).startswith(f"models.base: 'base' takes no pictures at {stub.url}: it answers 400")
    assert "this model takes no images" in str(blind)
    stub.sees = True
    assert "engine.server.api is 'completions'" in str(engine_of(stub, api="completions").refuses_pictures())
    monkeypatch.setattr("llmood.engines.openai.sees", lambda folder: False)
    engine = engine_of(stub, tokenizer=str(folder))
    monkeypatch.setattr(stub, "reads", lambda token: engine.tokenizer("base").decode([token]))
    assert "holds no processor of pictures" in str(engine.refuses_pictures())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scoring": False}, "no log-probabilities of the prompt"),
        ({"token_ids": False}, "which tokens it read"),
    ],
)
def test_servers_that_score_no_picture_say_why(
    seeing_stub: Stub, folder: Path, change: dict[str, bool], words: str
) -> None:
    for name, value in change.items():
        setattr(seeing_stub, name, value)
    engine = engine_of(seeing_stub, tokenizer=str(folder))
    assert engine.refuses_pictures() is None
    assert words in str(engine.lacks_of_pictures(PROMPT))


def test_another_template_is_refused(seeing_stub: Stub, folder: Path, tmp_path: Path) -> None:
    template = TEMPLATE.replace("<end_of_utterance>", "")
    seeing_stub.reader = PictureTokenizer(
        save_pictured(tmp_path / "other", split=True, template=template), tmp_path / "other", place="stub"
    )
    refused = engine_of(seeing_stub, tokenizer=str(folder)).refuses_pictures()
    assert "other tokens back than" in str(refused)


def test_a_plain_prompt_goes_in_no_chat(seeing_stub: Stub, folder: Path) -> None:
    reader = placing(engine_of(seeing_stub, tokenizer=str(folder)).tokenizer("base"))
    with pytest.raises(ConfigError, match="chat: to a server a picture goes in a chat"):
        reader.place_shown("<image>what?", (picture_of(demo_pictures(1)[0]),), rendered=False)


def test_what_is_sent_is_made_anew() -> None:
    image = demo_pictures(1)[0]
    url = data_url(image)
    assert image_digest(pixels_of(url)) == image_digest(image)
    assert shown([url], [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]) == [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "a"}],
        },
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
