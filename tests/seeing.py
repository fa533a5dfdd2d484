"""Requests about pictures, for tests of engines that see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from llmood.engines.base import Engine, Request
from llmood.engines.pictures import seeing
from llmood.engines.prompts import Prompt
from llmood.engines.requests import request_of
from llmood.engines.transformers import TransformersEngine
from llmood.picture_records import Picture
from llmood.records import CaptureSpec, Message
from llmood.tasks.images.read import image_digest
from tests.pictures import saved
from tests.tiny_models import BASE

WORDS = ("what is red?", "which", "is the circle above the square, or below?")


def picture(image: Image.Image) -> Picture:
    return Picture(image_digest(image), saved(image, "PNG"))


def prompt_for(engine: Engine, text: str, *images: Image.Image) -> Prompt:
    tokenizer = seeing(engine.tokenizer("base"))
    turns = (Message("user", text),)
    if not images:
        return Prompt("s", tokenizer.encode([text], rendered=False)[0], messages=turns)
    placed = tokenizer.place(tokenizer.image_text * len(images) + text, list(images), rendered=False)
    shown = tuple(map(picture, images))
    return Prompt("s", placed.token_ids, messages=turns, pictures=shown, places=placed.places)


def request_for(
    engine: Engine,
    text: str,
    *images: Image.Image,
    spec: CaptureSpec = BASE,
    answer: Mapping[str, Any] | None = None,
) -> Request:
    made = request_of(engine, spec, prompt_for(engine, text, *images), answer)
    assert isinstance(made, Request)
    return made


def requests_of(
    engine: TransformersEngine,
    images: Sequence[Image.Image],
    spec: CaptureSpec = BASE,
    answer: Mapping[str, Any] | None = None,
) -> list[Request]:
    """Each of the words under a picture of its own; words alone, if a spec has a place for them; the first words again,
    under another picture.
    """
    seen = [
        request_for(engine, text, image, spec=spec, answer=answer)
        for text, image in zip(WORDS, images, strict=True)
    ]
    words = (
        [] if "mean_image" in spec.id else [request_for(engine, "no picture here", spec=spec, answer=answer)]
    )
    return [*seen, *words, request_for(engine, WORDS[0], images[1], spec=spec, answer=answer)]


def captured(
    engine: TransformersEngine, spec: CaptureSpec, requests: Sequence[Request]
) -> list[dict[str, Any]]:
    results = engine.capture(spec, requests)
    assert [(each.status, each.reason) for each in results] == [("ok", None)] * len(requests)
    return [dict(each.values) for each in results]
