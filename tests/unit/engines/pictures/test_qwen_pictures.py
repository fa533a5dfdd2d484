"""What Qwen-VL's kind has of its own: positions by a picture's grid, marks around it, a part for videos."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from llmood.engines.decoding import Answer
from llmood.engines.models.decoder import Decoder
from llmood.engines.models.shown import contracted
from llmood.engines.pictures import seeing
from llmood.engines.placing import with_marks, without_marks
from llmood.engines.processor import read_processor
from llmood.engines.transformers import TransformersEngine
from llmood.errors import ConfigError
from llmood.records import CaptureSpec, Message
from llmood.tasks.row_errors import RowError
from tests.pictures import demo_pictures, speckled
from tests.plain_pictures import plain_answer, plain_logprobs
from tests.seeing import WORDS, captured, request_for
from tests.tiny_models import BASE, TOLERANCE, TUNED, engine_of, far, respond
from tests.tiny_qwen import EACH_VERSION, QWEN_TOKEN, save_qwen

STEPS = 8


@pytest.fixture(scope="module", params=EACH_VERSION)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_qwen(tmp_path_factory.mktemp("qwen"), version=request.param)


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    """As many patches high and wide, high, and wide: 16, 8 and 8 tokens."""
    return [demo_pictures(1)[0], speckled(32, 64), speckled(64, 32)]


@pytest.mark.parametrize("role", ["base", "tuned"])
def test_answers_are_those_of_generate(
    engine: TransformersEngine, folder: Path, adapter: Path, images: list[Image.Image], role: str
) -> None:
    """Prompts of other lengths, of other pictures and of several, of which two have the same tensors' shapes."""
    shown = [(WORDS[0], images[:1]), (WORDS[1], images[1:2]), (WORDS[2], images[2:]), ("same?", images[:2])]
    requests = [request_for(engine, text, *own) for text, own in shown]
    spec = respond(role, STEPS)
    for (text, own), values in zip(shown, captured(engine, spec, requests), strict=True):
        theirs = plain_answer(
            folder, QWEN_TOKEN * len(own) + text, own, adapter if role == "tuned" else None, steps=STEPS
        )
        assert values["token_ids"] == theirs


def test_an_answer_that_holds_a_picture_s_token_is_none(
    folder: Path, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole pass over it would look for the pixels of that token; the answers beside it stay."""
    engine = engine_of(folder)
    requests = [request_for(engine, text, images[0]) for text in WORDS[:2]]
    known = captured(engine, respond("base", STEPS), requests)
    mark = seeing(engine.tokenizer("base")).image_token_id
    original = Decoder._decode

    def decode(self: Decoder, *args: Any, **kwargs: Any) -> list[Answer]:
        first, *others = original(self, *args, **kwargs)
        return [replace(first, ids=[*first.ids[:2], mark, *first.ids[3:]]), *others]

    monkeypatch.setattr(Decoder, "_decode", decode)
    monkeypatch.setattr(Decoder, "padding_is_unseen", True)
    fresh = engine_of(folder)
    first, second = fresh.capture(respond("base", STEPS), requests)
    assert (first.status, first.reason) == (
        "unscored",
        "the model's answer holds <|image_pad|>, which stands for a picture",
    )
    assert second.values["token_ids"] == known[1]["token_ids"]


def test_pictures_whose_tensors_are_alike_share_a_pass(
    engine: TransformersEngine, folder: Path, images: list[Image.Image]
) -> None:
    """32 patches each, four by eight and eight by four: the grid says which."""
    requests = [request_for(engine, "which?", image) for image in images[1:]]
    assert requests[0].token_ids == requests[1].token_ids
    together = captured(engine, BASE, requests)
    for image, values in zip(images[1:], together, strict=True):
        _, theirs = plain_logprobs(folder, f"{QWEN_TOKEN}which?", [image])
        known = [
            (ours, own) for ours, own in zip(values["logprobs"][1:], theirs, strict=True) if ours is not None
        ]
        assert max(abs(ours - own) for ours, own in known) < TOLERANCE
    pixels = seeing(engine.tokenizer("base")).pixels
    high, wide = (pixels(request.pictures) for request in requests)
    assert high["pixel_values"].shape == wide["pixel_values"].shape
    assert high["image_grid_thw"].tolist() != wide["image_grid_thw"].tolist()


def test_words_alone_are_read_as_before_a_picture(
    engine: TransformersEngine, images: list[Image.Image]
) -> None:
    """The model remembers how far a picture's positions were behind its tokens; the next text has its own."""
    words = request_for(engine, "no picture here")
    fresh = captured(engine, respond("base"), [words])[0]
    captured(engine, respond("base"), [request_for(engine, WORDS[0], images[0])])
    again = captured(engine, respond("base"), [words])[0]
    assert again["token_ids"] == fresh["token_ids"]
    assert far(again["logprobs"], fresh["logprobs"]) == 0


def test_marks_are_a_pictures_own(engine: TransformersEngine, images: list[Image.Image]) -> None:
    tokenizer = seeing(engine.tokenizer("base"))
    placed = tokenizer.place(f"a{QWEN_TOKEN}b", [images[1]], rendered=False)
    ((start, stop),) = placed.places
    assert tokenizer.decode(placed.token_ids[:start]).strip() == "a"
    assert tokenizer.decode(placed.token_ids[stop:]) == "b"
    assert tokenizer.features(placed.token_ids) == ((start + 1, stop - 1),)
    assert tokenizer.made_places(placed.places) == ((start + 1, stop - 1),)
    sent = contracted(placed.token_ids, tokenizer.made_places(placed.places), tokenizer.image_token_id)
    assert sent == tokenizer.plain(f"a{QWEN_TOKEN}b", 1, rendered=False)
    turns = tokenizer.render([Message("user", "b")], 2)
    ids = tokenizer.place(turns, images[:2], rendered=True)
    assert turns == f"<s>user:{QWEN_TOKEN * 2}b</s>assistant:"
    marks = tuple(tokenizer._tokenizer.convert_tokens_to_ids(["<|vision_start|>", "<|vision_end|>"]))
    assert [(ids.token_ids[first], ids.token_ids[last - 1]) for first, last in ids.places] == [marks] * 2
    for text in (f"a{tokenizer.image_token}b", f"{tokenizer.image_token}<|vision_end|>b", "<|image_pad|>"):
        with pytest.raises(RowError, match="without the marks that its model has around each"):
            tokenizer.place(text, [images[1]], rendered=False)


def test_side_by_side_each_has_its_marks() -> None:
    ids = [1, 9, 9, 2, 1, 9, 2, 7]
    assert with_marks(ids, ((1, 3), (5, 6)), (1, 2)) == ((0, 4), (4, 7))
    assert without_marks(((0, 4), (4, 7))) == ((1, 3), (5, 6))
    with pytest.raises(RowError):
        with_marks([1, 9, 9, 9, 2], ((1, 3), (3, 4)), (1, 2))


@pytest.mark.parametrize("role", ["base", "tuned"])
def test_a_configuration_as_they_are_published(
    engine: TransformersEngine, folder: Path, images: list[Image.Image], tmp_path: Path, role: str
) -> None:
    """Of the first two, what the language model has stands beside `vision_config`, not within a `text_config`."""
    if (folder / "config.json").read_text().count("qwen3_vl"):
        return
    flat = tmp_path / "flat"
    shutil.copytree(folder, flat)
    config = json.loads((flat / "config.json").read_text())
    text = config.pop("text_config")
    text["rope_scaling"] = {**text.pop("rope_parameters"), "type": "mrope", "rope_type": "mrope"}
    text["rope_theta"] = text["rope_scaling"].pop("rope_theta")
    config = {**text, **config}
    (flat / "config.json").write_text(json.dumps(config))
    other = engine_of(flat, {"adapter": str(flat / "adapter")})
    spec = BASE if role == "base" else TUNED
    request = request_for(engine, WORDS[0], images[0])
    assert captured(other, spec, [request]) == captured(engine, spec, [request])
    assert (other.depth("base"), other.context_length("base")) == (
        engine.depth("base"),
        engine.context_length("base"),
    )
    other.close()


def test_the_eye_of_several_pictures(engine: TransformersEngine, images: list[Image.Image]) -> None:
    """A mean over all patches: a picture with twice as many weighs twice as much."""
    spec = CaptureSpec.of("embedding", "base")
    found = [
        captured(engine, spec, [request_for(engine, "x", *own, spec=spec)])[0]["vector"]
        for own in (images[:1], images[1:2], images[:2])
    ]
    assert found[2] == pytest.approx((2 * found[0] + found[1]) / 3, abs=TOLERANCE)


@pytest.mark.skipif(
    find_spec("torchvision") is not None, reason="with torchvision it is made the ordinary way"
)
def test_a_processor_whose_pictures_can_not_be_read(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "bad")
    path = tmp_path / "bad" / "preprocessor_config.json"
    values: dict[str, Any] = json.loads(path.read_text()) | {"image_processor_type": "NoSuchImageProcessor"}
    path.write_text(json.dumps(values))
    (tmp_path / "bad" / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"models\.base: the processor in .* can't be read: "):
        read_processor(tmp_path / "bad", "models.base", trust=False)
