"""An encoder of pictures and words: as transformers has each side, their mean, whatever stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from llmood.config import EngineConfig, FullModel, Models
from llmood.engines.bare import NO_WORDS
from llmood.engines.base import EMBEDDING, ENCODER, Request
from llmood.engines.encoder import EncoderEngine, joint_embedding
from llmood.engines.prompts import Prompt, Unmade
from llmood.engines.requests import request_of
from llmood.errors import ConfigError, EngineError
from llmood.picture_records import Picture
from llmood.records import CaptureSpec, Message
from tests.encoders import save_encoder, save_seeing_encoder
from tests.pictures import demo_pictures, speckled
from tests.seeing import picture
from tests.tiny_models import change_json
from tests.tiny_pictures import save_pictured

SPEC = CaptureSpec.of(EMBEDDING, ENCODER)
APART = 1e-4
WORDS = ("what is red?", "which", "is the circle above the square, or below?")


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_seeing_encoder(tmp_path_factory.mktemp(request.param), kind=request.param)


def images() -> list[Image.Image]:
    return [*demo_pictures(2), speckled(64, 32)]


def engine_of(folder: Path) -> EncoderEngine:
    return EncoderEngine(EngineConfig(device="cpu"), Models(encoder=FullModel(model=str(folder))))


def request_for(engine: EncoderEngine, text: str, *shown: Image.Image) -> Request:
    pictures = tuple(map(picture, shown))
    ids = engine.tokenizer(ENCODER).encode([text], rendered=False)[0]
    made = request_of(
        engine, SPEC, Prompt("s", ids, messages=(Message("user", text),), pictures=pictures), None
    )
    assert isinstance(made, Request)
    return made


def vectors(engine: EncoderEngine, requests: Sequence[Request]) -> NDArray[np.float32]:
    found = engine.capture(SPEC, requests)
    assert [(each.status, each.reason) for each in found] == [("ok", None)] * len(requests)
    return np.stack([each.values["vector"] for each in found])


def theirs(folder: Path, text: str, image: Image.Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both sides at length 1, by transformers alone."""
    import torch
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)(text, padding="max_length", max_length=48)
    given = {name: torch.tensor([words[name]]) for name in ("input_ids", "attention_mask")}
    pixels = AutoImageProcessor.from_pretrained(folder)(images=image, return_tensors="pt")
    with torch.no_grad():
        sides = (
            model.get_text_features(**given).pooler_output[0],
            model.get_image_features(**pixels).pooler_output[0],
        )
    of_words, of_picture = ((side / side.norm()).numpy() for side in sides)
    return of_words, of_picture


def test_each_side_is_that_of_transformers(folder: Path) -> None:
    engine = engine_of(folder)
    for text, image in zip(WORDS, images(), strict=True):
        words, seen = theirs(folder, text, image)
        both = (words + seen) / np.linalg.norm(words + seen)
        found = vectors(
            engine,
            [request_for(engine, text), request_for(engine, "", image), request_for(engine, text, image)],
        )
        assert found == pytest.approx(np.stack([words, seen, both]), abs=APART)


def test_alone_and_in_a_batch(folder: Path) -> None:
    engine = engine_of(folder)
    requests = [request_for(engine, *pair) for pair in zip(WORDS, images(), strict=True)]
    requests += [request_for(engine, WORDS[2]), request_for(engine, WORDS[0], *images())]
    assert sorted(chain(*engine.plan(SPEC, requests))) == list(range(5))
    together = vectors(engine, requests)
    alone = np.concatenate([vectors(engine, [request]) for request in requests])
    assert np.abs(together - alone).max() < APART
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_both_sides_are_in_the_key_and_in_the_vector(folder: Path) -> None:
    engine = engine_of(folder)
    first, second, _ = images()
    requests = [
        request_for(engine, "which", first),
        request_for(engine, "which", second),
        request_for(engine, "what", first),
        request_for(engine, "which"),
    ]
    assert len({each.content for each in requests}) == 4
    found = vectors(engine, requests)
    for place in (1, 2, 3):
        assert np.abs(found[0] - found[place]).max() > 10 * APART


def test_words_weigh_as_much_as_all_pictures() -> None:
    words, one, other = np.eye(3, dtype=np.float32)
    found = joint_embedding(words, np.stack([one, other]))
    assert found == pytest.approx(np.array([1, 0.5**0.5, 0.5**0.5]) / 2**0.5, abs=1e-6)
    assert joint_embedding(None, one[None]) == pytest.approx(one)
    assert joint_embedding(words, None) == pytest.approx(words)
    assert np.isnan(joint_embedding(words, -words[None])).all()  # a sum of nothing has no direction


def test_what_decides_the_numbers_is_in_the_identity(folder: Path, tmp_path: Path) -> None:
    kind = "clip" if "clip" in folder.name else "siglip"
    known = engine_of(folder).identity(ENCODER)
    assert engine_of(save_seeing_encoder(tmp_path / "same", kind=kind)).identity(ENCODER) == known
    other = save_seeing_encoder(tmp_path / "seed", kind=kind, seed=1)
    cropped = save_seeing_encoder(tmp_path / "crop", kind=kind)
    change_json(cropped / "preprocessor_config.json", do_center_crop=False)
    assert all(engine_of(each).identity(ENCODER) != known for each in (other, cropped))
    assert (known["engine"], known["max_length"]) == ("picture_encoder", 48)


def test_a_long_text_is_cut_at_its_positions(folder: Path) -> None:
    engine = engine_of(folder)
    long = request_for(engine, "so many words " * 30)
    assert engine.context_length(ENCODER) == 48 < len(long.token_ids)
    assert np.isfinite(vectors(engine, [long])).all()


def test_a_picture_that_is_gone_fails_alone(folder: Path) -> None:
    engine = engine_of(folder)
    good = request_for(engine, "which", images()[0])
    bad = replace(good, pictures=(Picture("0" * 64, b"no picture"),))
    lost, kept = engine.capture(SPEC, [bad, good])
    assert (lost.status, kept.status) == ("failed", "ok")
    assert lost.reason is not None
    assert lost.reason.startswith("picture")


def test_neither_words_nor_a_picture(folder: Path) -> None:
    prompt = Prompt("s", (0, 1), messages=(Message("user", " "),))
    assert request_of(engine_of(folder), SPEC, prompt, None) == Unmade("unscored", NO_WORDS)


def test_who_sees(folder: Path, tmp_path: Path) -> None:
    assert engine_of(folder).refuses_pictures() is None
    assert engine_of(save_encoder(tmp_path / "words")).refuses_pictures() is not None
    (folder / "preprocessor_config.json").rename(tmp_path / "away")
    try:
        with pytest.raises(ConfigError, match=r"holds no modules\.json"):
            engine_of(folder)
    finally:
        (tmp_path / "away").rename(folder / "preprocessor_config.json")


def test_a_model_that_speaks_is_no_encoder(tmp_path: Path) -> None:
    engine = engine_of(save_pictured(tmp_path))
    with pytest.raises(EngineError, match=r"Idefics3Model has no space of both"):
        engine.capture(SPEC, [request_for(engine, "which", images()[0])])
