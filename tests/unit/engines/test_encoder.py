"""The encoder as an engine: the words as they are, whatever they are read with; how long they may be; what fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from llmood.config import EngineConfig, FullModel, Models
from llmood.engines.bare import NO_WORDS
from llmood.engines.base import EMBEDDING, ENCODER, Captured, Request
from llmood.engines.encoder import EncoderEngine, cut_texts, encoded_lengths
from llmood.engines.encoder_model import EncoderModel
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.prompts import Prompt
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.records import CaptureSpec, Message
from llmood.scorers.states import states_at
from tests.encoders import published_encoder, save_encoder, write
from tests.observing import samples_of
from tests.tiny_models import change_json

SPEC = CaptureSpec.of(EMBEDDING, ENCODER)
TEXTS = [f"{'so many words, ' * (number % 9)}text {number}" for number in range(31)] + ["x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoder"))


def engine_of(folder: Path, **config: Any) -> EncoderEngine:
    settings = EngineConfig(**{"device": "cpu", **config})
    return EncoderEngine(settings, Models(encoder=FullModel(model=str(folder))))


def prompts_of(engine: EncoderEngine, texts: Sequence[str]) -> list[Prompt]:
    ids = engine.tokenizer(ENCODER).encode(texts, rendered=False)
    return [
        Prompt(f"s{number:03}", row, messages=(Message("user", text),))
        for number, (row, text) in enumerate(zip(ids, texts, strict=True))
    ]


def captured(engine: EncoderEngine, texts: Sequence[str]) -> list[Captured]:
    requests = [Request(prompt.token_ids, text=prompt.text) for prompt in prompts_of(engine, texts)]
    found = dict(pair for finished in engine.run(SPEC, requests) for pair in finished)
    return [found[index] for index in range(len(texts))]


def vectors(engine: EncoderEngine, texts: Sequence[str]) -> NDArray[np.float32]:
    return np.stack([each.values["vector"] for each in captured(engine, texts)])


@pytest.mark.parametrize("published", [False, True])
def test_mates_in_a_batch_change_nothing(folder: Path, *, published: bool) -> None:
    engine = engine_of(published_encoder() if published else folder)
    together = vectors(engine, TEXTS)
    assert len(engine.plan(SPEC, [Request((1,) * len(text), text=text) for text in TEXTS])) == 1
    alone = np.concatenate([vectors(engine, [text]) for text in TEXTS])
    assert ((together * alone).sum(axis=1) > 0.9999).all()
    assert np.abs(together - alone).max() < 1e-5
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_small_batches_give_the_same(folder: Path) -> None:
    assert np.allclose(
        vectors(engine_of(folder, batch_tokens=60), TEXTS), vectors(engine_of(folder), TEXTS), atol=1e-5
    )


def test_a_text_is_read_with_what_begins_and_ends_it_and_nothing_else() -> None:
    tokenizer = engine_of(published_encoder()).tokenizer(ENCODER)
    # Its file asks for 128 tokens, whatever the text is.
    assert tokenizer.encode(["hello", "hello " * 300], rendered=False) == [
        (101, 7592, 102),
        (101, *[7592] * 300, 102),
    ]
    assert not tokenizer.has_chat_template


@pytest.mark.parametrize(
    ("settings", "tokenizer", "config", "expected"),
    [
        ({"max_seq_length": 40}, 30, 50, 40),
        ({}, 30, 50, 30),
        ({}, 1e30, 50, 50),
        ({"max_seq_length": None}, 60, 50, 50),
    ],
)
def test_how_long_a_text_may_be(
    tmp_path: Path, settings: dict[str, Any], tokenizer: float, config: int, expected: int
) -> None:
    folder = save_encoder(tmp_path / "m")
    write(folder / "sentence_bert_config.json", settings)
    change_json(folder / "tokenizer_config.json", model_max_length=tokenizer)
    change_json(folder / "config.json", max_position_embeddings=config)
    assert engine_of(folder).context_length(ENCODER) == expected


def test_it_is_the_length_that_the_library_cuts_at(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    for place in (folder, published_encoder()):
        engine = engine_of(place)
        assert engine.context_length(ENCODER) == SentenceTransformer(str(place)).max_seq_length
    limit = engine.context_length(ENCODER)
    words = ["hello"] * (limit + 20)
    cut, whole = (" ".join(words[:count]) for count in (limit - 2, limit + 20))
    first, second = vectors(engine, [cut, whole])
    assert first @ second > 0.99999
    assert [each.values["tokens"] for each in captured(engine, [cut, whole])] == [limit, limit + 22]


def test_no_file_says_how_long(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "m")
    write(folder / "sentence_bert_config.json", {})
    change_json(folder / "tokenizer_config.json", model_max_length=None)
    change_json(folder / "config.json", max_position_embeddings=None)
    with pytest.raises(ConfigError, match=r"doesn't say how long a text may be"):
        engine_of(folder).context_length(ENCODER)


def test_what_decides_the_numbers_is_in_the_identity(folder: Path, tmp_path: Path) -> None:
    known = engine_of(folder).identity(ENCODER)
    same = engine_of(save_encoder(tmp_path / "same")).identity(ENCODER)
    assert same == known
    others = [save_encoder(tmp_path / "seed", seed=1), save_encoder(tmp_path / "long", max_seq_length=64)]
    for other in others:
        assert engine_of(other).identity(ENCODER) != known
    assert (known["max_length"], engine_of(others[1]).identity(ENCODER)["max_length"]) == (128, 64)


class Odd:
    """Vectors that say how they were read; one text's is not a number."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read += texts
        return np.array([[np.nan if text == "bad" else 1.0, 0.0] for text in texts], np.float32)


def test_what_has_no_vector_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    odd = Odd()
    monkeypatch.setattr(EncoderModel, "embed", lambda _, texts: odd(texts))
    engine = engine_of(folder)
    prompts = prompts_of(engine, ["good", "", " \n", "bad", "good"])
    store = Store(tmp_path / "store")
    for times in (1, 2):
        observer = Observer(engine, prompts, store, private=False)
        observer.run(SPEC)
        assert odd.read.count("good") == 1  # the same words are read once
        assert odd.read.count("bad") == times  # what failed is tried again
    index = observer.index().to_pylist()
    assert [row["status"] for row in index] == ["ok", "unscored", "unscored", "failed", "ok"]
    assert [row["reason"] for row in index[1:4]] == [
        NO_WORDS,
        NO_WORDS,
        "the encoder gave a number that is not finite",
    ]
    observed = Observations(samples_of(prompts), observer.index(), store)
    found = states_at(observed, SPEC, -1, "mean_prompt")
    assert np.isnan(found).any(axis=1).tolist() == [False, True, True, True, False]
    assert found[0].tolist() == [1, 0]
    blocks = list(observed.blocks([SPEC], size=1))
    assert sum(len(block) for block in blocks) == 5
    nothing = observed.samples.take(pa.array([1, 2]))
    assert states_at(Observations(nothing, observer.index(), store), SPEC, -1, "").shape == (2, 0)


def test_texts_that_are_cut_are_counted(folder: Path) -> None:
    engine = engine_of(folder)
    lengths = encoded_lengths(engine, prompts_of(engine, ["short", "x" * 300, "also short"]))
    assert lengths[1] > 128 > lengths[0]
    (check,) = cut_texts({"mine": lengths, "theirs": lengths[:1]}, 128)
    assert (check.code, check.task, check.severity) == ("texts_cut", "mine", "warning")
    assert check.detail.startswith("1 of 3 samples of mine are longer than the 128 tokens")
    assert check.values == {"cut": 1, "samples": 3, "limit": 128}


def test_a_folder_that_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"models\.encoder: is missing"):
        EncoderEngine(EngineConfig(), Models())
