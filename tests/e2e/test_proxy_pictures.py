"""Chats with pictures in front of a model's server: scored with them, or not at all; nothing is fetched or opened."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from llmood import load_detector
from llmood.detector.form import Form
from llmood.tasks.images.read import image_digest
from llmood.tasks.row_errors import RowError
from tests.detecting import detecting_world
from tests.pictures import demo_pictures, saved
from tests.plain_pictures import plain_logprobs
from tests.proxying import chat, guarding
from tests.raw_upstream import PLAIN, Upstream, answer, raw_upstream
from tests.serving import Served
from tests.tiny_pictures import save_picture_adapter, save_pictured
from tests.traffic_rows import fit_two
from tests.worlds import llmood

WORDS = "what is red?"
MODELS = ("base", "tuned")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of a model that sees, made of words alone, and one of a model that doesn't."""
    folder = tmp_path_factory.mktemp("sees")
    save_picture_adapter(folder / "adapter", save_pictured(folder / "base"))
    world = detecting_world(
        folder / "world",
        models={"base": str(folder / "base"), "tuned": {"adapter": str(folder / "adapter")}},
        engine={"kind": "transformers", "device": "cpu"},
        scorers=["likelihood_ratio"],
        chat=True,
    )
    assert llmood("fit", world.config, "-o", folder / "detector").code == 0
    fit_two(folder / "blind")
    return folder


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with raw_upstream() as found:
        found.says = lambda _: answer(PLAIN)
        yield found


@pytest.fixture(scope="module")
def guard(home: Path, upstream: Upstream) -> Iterator[Served]:
    with guarding(home / "detector", upstream) as served:
        yield served


def url_of(image: Image.Image) -> str:
    return "data:image/png;base64," + base64.b64encode(saved(image, "PNG")).decode()


def turn(*urls: str, words: str = WORDS) -> dict[str, Any]:
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [{"type": "text", "text": words}, *pictures]}


def decision(served: Served, turns: list[dict[str, Any]]) -> dict[str, Any]:
    response = chat(served, turns)
    assert response.status_code == 200
    return dict(response.json()["llmood"])


def test_a_chat_is_scored_with_its_picture(guard: Served, home: Path, upstream: Upstream) -> None:
    for image in demo_pictures(2):
        found = decision(guard, [turn(url_of(image))])
        assert (found["status"], found["reason"]) == ("ok", None)
        # The picture before the words, as a run has it; of its own tokens none counts.
        text = f"<s>user:<image>{WORDS}<end_of_utterance>assistant:"
        sums = []
        for adapter in (None, home / "adapter"):
            ids, logprobs = plain_logprobs(home / "base", text, [image], adapter, special=False)
            start, stop = seen_in(home / "base", ids)
            sums.append(sum(logprobs[: start - 1]) + sum(logprobs[stop - 1 :]))
        assert found["score"] == pytest.approx(sums[0] - sums[1], abs=1e-3)
    one, other = (decision(guard, [turn(url_of(image))])["score"] for image in demo_pictures(2))
    assert abs(one - other) > 1e-3
    sent = upstream.got[-1]
    assert b"data:image/png;base64," in sent.body  # the model's server gets what the client sent


def seen_in(folder: Path, ids: list[int]) -> tuple[int, int]:
    """The places of a picture, the marks around it with them."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    mark = tokenizer.convert_tokens_to_ids("<fake_token_around_image>")
    return ids.index(mark), len(ids) - ids[::-1].index(mark)


@pytest.mark.parametrize("where", ["http", "file", "path", "broken"])
def test_nothing_is_fetched_or_opened(guard: Served, upstream: Upstream, tmp_path: Path, where: str) -> None:
    demo_pictures(1)[0].save(tmp_path / "there.png")
    url = {
        "http": f"{upstream.url}/picture.png",
        "file": f"file://{tmp_path}/there.png",
        "path": str(tmp_path / "there.png"),
        "broken": "data:image/png;base64,AAAA",
    }[where]
    before = len(upstream.got)
    found = decision(guard, [turn(url)])
    assert found["status"] == "failed"
    assert found["score"] is None
    assert ("nothing is fetched" in found["reason"]) is (where != "broken")
    assert len(upstream.got) == before + 1  # the chat itself, which goes on


def test_what_can_not_be_placed_has_no_score(guard: Served) -> None:
    url = url_of(demo_pictures(1)[0])
    assert decision(guard, [turn(url, url)])["status"] == "ok"  # the model takes several
    later = [turn(words="hello"), {"role": "assistant", "content": "yes?"}, turn(url)]
    assert "only the user's first turn" in decision(guard, later)["reason"]
    assert decision(guard, [turn()])["status"] == "ok"


def test_a_model_that_sees_nothing_scores_no_picture(home: Path, upstream: Upstream) -> None:
    with guarding(home / "blind" / "detector", upstream) as served:
        found = decision(served, [turn(url_of(demo_pictures(1)[0]))])
        assert (found["status"], found["score"]) == ("failed", None)
        assert found["reason"].startswith("has a picture, and engine.kind: 'fake'")
        assert decision(served, [turn()])["status"] == "ok"


def test_a_records_own_picture_is_no_file(tmp_path: Path) -> None:
    given = {"name": "t", "prompt": "{{ text }}", "messages": None, "messages_column": None, "language": None}
    form = Form({**given, "fields": {"images": "image", "meta": {}}}, chat=True, answers=False)
    path = tmp_path / "there.png"
    demo_pictures(1)[0].save(path)
    for cell in (str(path), {"path": str(path)}, ["there.png"]):
        with pytest.raises(RowError, match="names a file, and only data URLs are taken here"):
            form.read({"text": "what?", "image": cell}, 0)
    (picture,) = form.read({"text": "what?", "image": url_of(demo_pictures(1)[0])}, 0).sample.pictures
    assert picture.digest == image_digest(demo_pictures(1)[0])
    with pytest.raises(RowError, match="no column 'image'"):  # never a question without its picture
        form.read({"text": "what?"}, 0)
    named = {**given, "fields": {"images": ["{{ text }}.png"], "meta": {}}}
    templated = Form(named, chat=True, answers=False)
    with pytest.raises(RowError, match="names a file, and only data URLs are taken here"):
        templated.read({"text": str(tmp_path / "there")}, 0)


def test_records_with_pictures_are_scored_alike(home: Path, guard: Served) -> None:
    turns = [turn(url_of(demo_pictures(1)[0]))]
    frame = load_detector(home / "detector").score([{"messages": turns}])
    assert frame["score"][0] == pytest.approx(decision(guard, turns)["score"], abs=1e-6)
