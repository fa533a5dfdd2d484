"""A model that sees, against transformers alone: no mate in a batch, padding or other picture changes a number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from llmood.engines.base import Request
from llmood.engines.opened_pictures import load_all
from llmood.engines.pictures import PictureTokenizer, seeing
from llmood.engines.prompts import Prompt, Unmade
from llmood.engines.requests import request_of
from llmood.engines.transformers import TransformersEngine
from llmood.errors import EngineError
from llmood.picture_records import Picture
from llmood.records import CaptureSpec, Message
from llmood.tasks.images.cells import load_picture
from llmood.tasks.images.limits import Limits
from llmood.tasks.images.read import image_digest
from llmood.tasks.row_errors import RowError
from tests.plain_pictures import plain_logprobs
from tests.seeing import WORDS, captured, picture, request_for, requests_of
from tests.tiny_models import BASE, TOLERANCE, TUNED, engine_of, far, respond
from tests.tiny_pictures import TOKEN, save_pictured
from tests.tiny_qwen import seen, text_of


@pytest.mark.parametrize("spec", [BASE, TUNED], ids=["base", "adapter"])
def test_alone_in_a_batch_and_by_transformers_itself(
    engine: TransformersEngine,
    folder: Path,
    adapter: Path,
    images: list[Image.Image],
    kind: str,
    spec: CaptureSpec,
) -> None:
    requests = requests_of(engine, images)
    together = captured(engine, spec, requests)
    for request, values in zip(requests, together, strict=True):
        alone = captured(engine, spec, [request])[0]
        assert [a is None for a in alone["logprobs"]] == [b is None for b in values["logprobs"]]
        known = [(a, b) for a, b in zip(alone["logprobs"], values["logprobs"], strict=True) if a is not None]
        assert max(abs(a - b) for a, b in known) < TOLERANCE
    for text, image, request, values in zip(WORDS, images, requests, together, strict=False):
        ids, theirs = plain_logprobs(
            folder, text_of(kind) + text, [image], adapter if spec is TUNED else None
        )
        assert list(request.token_ids) == ids
        ours = values["logprobs"][1:]
        start, stop = request.spans[1][1:]
        nulls = {place for place, each in enumerate(values["logprobs"]) if each is None}
        assert nulls == {0, *range(start, stop)}
        assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True) if a is not None) < TOLERANCE
    # The same words under another picture are another observation, and have other numbers.
    assert requests[0].token_ids == requests[-1].token_ids
    assert requests[0].content != requests[-1].content
    assert abs(together[0]["logprobs"][-1] - together[-1]["logprobs"][-1]) > 100 * TOLERANCE


def test_a_picture_has_its_places(engine: TransformersEngine, images: list[Image.Image], kind: str) -> None:
    tokenizer, token = seeing(engine.tokenizer("base")), text_of(kind)
    assert tokenizer.image_text == token
    placed = tokenizer.place(f"look: {token}what?", [images[0]], rendered=False)
    ((start, stop),) = placed.places
    assert tokenizer.decode(placed.token_ids[:start]).strip() == "look:"
    assert tokenizer.decode(placed.token_ids[stop:]) == "what?"
    image_id = tokenizer._tokenizer.convert_tokens_to_ids(tokenizer.image_token)
    assert seen(kind, placed.token_ids.count(image_id))
    assert image_id not in (*placed.token_ids[:start], *placed.token_ids[stop:])
    with pytest.raises(RowError, match=f"the text itself holds {re.escape(tokenizer.image_token)}"):
        tokenizer.place(f"{token}what is {tokenizer.image_token}?", [images[0]], rendered=False)


def test_several_pictures(
    engine: TransformersEngine, folder: Path, images: list[Image.Image], kind: str
) -> None:
    tokenizer, token = seeing(engine.tokenizer("base")), text_of(kind)
    if kind == "llava":
        assert (tokenizer.refuses(1), tokenizer.refuses(2)) == (None, "2 pictures, and the model takes 1")
        return
    assert tokenizer.refuses(3) is None
    shown = [images[2], images[0]]  # of the two shapes: other numbers of tiles
    requests = [
        request_for(engine, "same?", *shown),
        request_for(engine, "same?", *reversed(shown)),
        request_for(engine, "?", shown[0]),
    ]
    together = captured(engine, BASE, requests)
    for sent, own, values in zip(requests[:2], (shown, shown[::-1]), together, strict=False):
        ids, theirs = plain_logprobs(folder, token * 2 + "same?", own)
        assert list(sent.token_ids) == ids
        places = [place for _, start, end in sent.spans[1:] for place in range(start, end)]
        assert {place for place, each in enumerate(values["logprobs"]) if each is None} == {0, *places}
        known = [(a, b) for a, b in zip(values["logprobs"][1:], theirs, strict=True) if a is not None]
        assert max(abs(a - b) for a, b in known) < TOLERANCE
    assert abs(together[0]["logprobs"][-1] - together[1]["logprobs"][-1]) > 10 * TOLERANCE
    # Words may stand between them; each picture has as many tokens as it has alone.
    placed = tokenizer.place(f"a{token}b {token}c", shown, rendered=False)
    alone = [tokenizer.place(token, [image], rendered=False).places[0] for image in shown]
    assert [end - start for start, end in placed.places] == [end - start for start, end in alone]
    (first, second), words = placed.places, placed.token_ids
    parts = (words[: first[0]], words[first[1] : second[0]], words[second[1] :])
    assert [tokenizer.decode(part).strip() for part in parts] == ["a", "b", "c"]


def test_pictures_of_one_sample_have_a_limit_together(
    images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmood.engines.opened_pictures.LIMITS", Limits(max_together=2 * 64 * 64))
    two = [picture(image) for image in images[:2]]
    assert [image.size for image in load_all(two)] == [(64, 64)] * 2
    with pytest.raises(RowError, match="3 together have more than the 8,192 pixels of one sample"):
        load_all([*two, picture(images[2])])


def test_answers_are_of_the_picture(engine: TransformersEngine, images: list[Image.Image]) -> None:
    requests = requests_of(engine, images)
    together = captured(engine, respond(), requests)
    for request, values in zip(requests, together, strict=True):
        alone = captured(engine, respond(), [request])[0]
        assert values["token_ids"] == alone["token_ids"]
        assert far(values["logprobs"], alone["logprobs"]) < TOLERANCE
        # By one pass over prompt and answer: what was decoded is what the model says of it.
        whole = Request((*request.token_ids, *values["token_ids"]), request.spans, pictures=request.pictures)
        scored = captured(engine, TUNED, [whole])[0]["logprobs"]
        assert far(values["logprobs"], scored[len(request.token_ids) :]) < TOLERANCE
    assert together[0]["logprobs"] != together[-1]["logprobs"]


def test_a_second_path_sees_too(engine: TransformersEngine, images: list[Image.Image]) -> None:
    requests = requests_of(engine, images)
    rows = {"base": [each.token_ids for each in requests]}
    found = engine.second_path(rows, {"base": [each.pictures for each in requests]})
    for values, second in zip(captured(engine, BASE, requests), found["base"], strict=True):
        assert max(
            abs(a - b) for a, b in zip(values["logprobs"][1:], second, strict=True) if a is not None
        ) < (TOLERANCE)


def test_a_file_that_changed_fails_alone(
    engine: TransformersEngine, folder: Path, images: list[Image.Image], tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    images[0].save(path)
    named = Picture(image_digest(images[0]), path)
    good = request_for(engine, WORDS[0], images[0])
    request = Request(good.token_ids, good.spans, pictures=(named,))
    assert captured(engine, BASE, [request]) == captured(engine, BASE, [good])
    images[1].save(path)
    with pytest.raises(RowError, match="shows another one than when the rows were read"):
        load_picture(named)
    assert captured(engine, BASE, [request]) == captured(engine, BASE, [good])  # its pixels are still there
    bad, fine = engine_of(folder).capture(BASE, [request, good])
    assert (bad.status, fine.status) == ("failed", "ok")
    assert bad.reason == "picture: its file shows another one than when the rows were read"


def test_turns_are_parts(tmp_path: Path) -> None:
    tokenizer = engine_of(save_pictured(tmp_path)).tokenizer("base")
    assert isinstance(tokenizer, PictureTokenizer)
    turns = [Message("system", "be short"), Message("user", "what?")]
    end = "<end_of_utterance>"
    words = f"<s>system:be short{end}<s>user:what?{end}assistant:"
    assert tokenizer.render(turns) == words
    assert tokenizer.render(turns, 1) == words.replace("user:", f"user:{TOKEN}")


def test_what_shows_nothing_sends_nothing(engine: TransformersEngine, images: list[Image.Image]) -> None:
    request = request_for(engine, WORDS[0], images[0])
    prompt = Prompt("s", request.token_ids, pictures=request.pictures, places=(request.spans[1][1:],))
    answer = {"text": "red", "token_ids": [5, 6]}
    alone = request_of(engine, CaptureSpec.of("prompt_logprobs", "tuned", "response"), prompt, answer)
    both = request_of(engine, CaptureSpec.of("prompt_logprobs", "tuned", "prompt_response"), prompt, answer)
    assert isinstance(alone, Request)
    assert isinstance(both, Request)
    assert alone.pictures == ()
    assert both.pictures == request.pictures
    assert [name for name, *_ in both.spans] == ["prompt", "response", "picture"]
    reason = Unmade("unscored", "2 pictures, and the model takes 1")
    assert request_of(engine, BASE, Prompt("s", (), unmade=reason), None) == reason


def test_a_model_that_looks_ahead_is_refused(
    folder: Path, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(folder)
    request = request_for(engine, WORDS[0], images[0])
    attention = type(engine._model("base").model.get_decoder().layers[0].self_attn)
    original = attention.forward

    def forward(self: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        ahead = hidden_states + hidden_states[:, -1:]
        return original(self, ahead, *args, **kwargs)

    monkeypatch.setattr(attention, "forward", forward)
    with pytest.raises(EngineError, match="looks ahead in a prompt with a picture"):
        engine.capture(BASE, [request])


def test_a_model_with_positions_of_its_own_is_refused(
    folder: Path, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(folder)
    request = request_for(engine, WORDS[0], images[0])
    body = engine._model("base").model.base_model
    original = type(body).forward
    assert engine._model("base").decoder.steps_are_right

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        # A picture's places count twice, in a pass that is told no positions.
        if kwargs.get("pixel_values") is not None and kwargs.get("position_ids") is None:
            places = kwargs["input_ids"] == self.config.image_token_id
            kwargs["position_ids"] = (1 + places.long()).cumsum(-1) - 1
        return original(self, *args, **kwargs)

    monkeypatch.setattr(type(body), "forward", forward)
    with pytest.raises(EngineError, match="can't be decoded step by step yet"):
        engine.capture(respond("base"), [request])
