"""Prompts about an answer to a picture: they show the picture too, and read it no more often than needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmood.engines.base import Request
from llmood.engines.captures import derived_capture
from llmood.engines.kept_pixels import KeptPixels
from llmood.engines.pictures import PictureTokenizer, seeing
from llmood.engines.prompts import Unmade, place_pictures
from llmood.engines.requests import request_of
from llmood.engines.transformers import TransformersEngine
from llmood.picture_records import Picture
from llmood.prompting.base import Material
from llmood.prompting.p_true import P_TRUE
from tests.pictures import demo_pictures, speckled
from tests.plain_pictures import plain_logits
from tests.seeing import picture, prompt_for
from tests.tiny_models import TOLERANCE, engine_of
from tests.tiny_pictures import TOKEN, save_pictured

ASKED = derived_capture("next_token", "base", P_TRUE, labels="A|B", top=0)
ANSWER = {"text": "red", "token_ids": [101]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictured(tmp_path_factory.mktemp("sees"), split=True, max_position_embeddings=1024)


@pytest.fixture(scope="module")
def engine(folder: Path) -> TransformersEngine:
    return engine_of(folder)


def asked(engine: TransformersEngine, number: int, *, chat: bool) -> tuple[Request, str]:
    prompt = replace(prompt_for(engine, "what is red?", demo_pictures(2)[number]), chat=chat)
    made = request_of(engine, ASKED, prompt, ANSWER)
    assert isinstance(made, Request)
    turns = P_TRUE.make(Material(prompt.messages, "red"))
    tokenizer = seeing(engine.tokenizer("base"))
    return made, tokenizer.render(turns.messages, 1) if chat else TOKEN + turns.text


@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
def test_a_question_about_an_answer_shows_the_picture(
    engine: TransformersEngine, folder: Path, chat: bool
) -> None:
    ids = [engine.tokenizer("base").encode([letter], rendered=True)[0][0] for letter in "AB"]
    for number, image in enumerate(demo_pictures(2)):
        request, text = asked(engine, number, chat=chat)
        assert [each.digest for each in request.pictures] == [picture(image).digest]
        theirs, logits = plain_logits(folder, text, [image], special=not chat)
        assert list(request.token_ids) == theirs
        (one,) = engine.capture(ASKED, [request])
        assert np.abs(np.array(one.values["label_logits"]) - logits[-1, ids]).max() < TOLERANCE
    first, second = (asked(engine, number, chat=chat)[0] for number in (0, 1))
    assert first.token_ids == second.token_ids
    assert first.content != second.content


def test_a_picture_is_read_once(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    own = engine_of(engine.weights("base").folder)
    reader = seeing(own.tokenizer("base"))
    calls: list[str] = []
    original = PictureTokenizer._processed

    def counted(self: PictureTokenizer, text: str, *args: Any, **options: Any) -> Any:
        calls.append(text)
        return original(self, text, *args, **options)

    monkeypatch.setattr(PictureTokenizer, "_processed", counted)
    shown = (picture(speckled(64, 32)),)
    texts = [f"{TOKEN}what {word}?" for word in ("colour", "shape", "side")]
    placed = [place_pictures(reader, text, shown, rendered=False) for text in texts]
    assert calls == texts[:1]
    fresh = seeing(engine_of(engine.weights("base").folder).tokenizer("base"))
    for text, one in zip(texts, placed, strict=True):
        assert one == fresh.place(text, [speckled(64, 32)], rendered=False)
    # Beside another token it is looked at again.
    place_pictures(reader, f"{TOKEN} what?", shown, rendered=False)
    assert calls[-1] == f"{TOKEN} what?"
    before = len(calls)
    reader.pixels(shown)
    assert len(calls) == before


def test_a_picture_that_is_gone(engine: TransformersEngine, tmp_path: Path) -> None:
    gone = (Picture("none", tmp_path / "gone.png"),)
    found = place_pictures(engine.tokenizer("base"), f"{TOKEN}what?", gone, rendered=False)
    assert isinstance(found, Unmade)
    assert found.status == "failed"
    assert found.reason.startswith("picture: no file")


def test_what_is_kept_is_bounded() -> None:
    import torch

    kept = KeptPixels(most_bytes=100)
    for name in "abc":
        kept.add(name, {"pixel_values": torch.zeros(10)})  # 40 bytes
        kept.get("a")
    assert [name for name in "abc" if kept.get(name) is not None] == ["a", "c"]
    kept.add("large", {"pixel_values": torch.zeros(100)})
    assert [name for name in ("a", "c", "large") if kept.get(name) is not None] == []
