"""Sentence vectors: what the folder says they are, whatever they are read with; each text once; and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from llmood.config import EngineConfig, FullModel
from llmood.engines.encoder_model import EncoderModel
from llmood.engines.store import Store
from llmood.errors import ConfigError, EngineError
from llmood.judging.equivalence.embeddings import Embeddings
from llmood.judging.equivalence.rules import AnswerPair, EmbeddingRule
from tests.encoders import published_encoder, save_encoder, write
from tests.tiny_models import change_json

TEXTS = ["yes", "a much longer text, to be padded against", "x", "no " * 200, ""]


def model_of(folder: Path) -> EncoderModel:
    return EncoderModel(FullModel(model=str(folder)), EngineConfig(device="cpu"), folder=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoder"))


def by_hand(folder: Path, text: str, pooling: str) -> NDArray[np.float32]:
    """One text alone, so that nothing is padded."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(
            **tokenizer(text, return_tensors="pt", truncation=True, max_length=128)
        ).last_hidden_state[0]
    vector = (states.mean(dim=0) if pooling == "mean" else states[0]).numpy()
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_vector_is_the_models_own_whatever_it_is_read_with(pooling: str, tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "m", pooling="mean_tokens" if pooling == "mean" else "cls_token")
    together = model_of(folder).embed(TEXTS)
    for text, ours in zip(TEXTS, together, strict=True):
        assert np.allclose(ours, by_hand(folder, text, pooling), atol=1e-5)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "modules.json",
            [{"type": "mine.Transformer", "path": ""}],
            "is made of mine.Transformer",
        ),
        ("modules.json", [], "doesn't begin with a transformer in the folder itself"),
        ("modules.json", {"no": "list"}, "is no list of modules"),
        ("1_Pooling/pytorch_model.bin", "", "1_Pooling holds pickled weights"),
    ],
)
def test_what_is_not_the_library_s_own_is_refused(
    tmp_path: Path, name: str, value: object, said: str
) -> None:
    folder = save_encoder(tmp_path / "m")
    write(folder / name, value)
    with pytest.raises(ConfigError, match=said):
        model_of(folder)


def test_the_files_of_every_part_are_its_identity(folder: Path, tmp_path: Path) -> None:
    other = save_encoder(tmp_path / "other", pooling="cls_token")
    assert model_of(folder).identity == model_of(save_encoder(tmp_path / "same")).identity
    one, two = model_of(folder).identity, model_of(other).identity
    assert one["weights"] == two["weights"]
    assert one["files"] != two["files"]


def test_weights_that_are_missing_are_not_drawn_at_random(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "m")
    change_json(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(EngineError, match=r"tensors, the first encoder\.layer\.2"):
        model_of(folder).embed(["yes"])


def test_a_published_encoder_gives_its_published_cosines() -> None:
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    vectors = model_of(published_encoder()).embed(texts)
    # As the documentation of sentence-transformers prints them.
    assert np.allclose((vectors @ vectors.T)[[0, 0, 1], [1, 2, 2]], [0.6660, 0.1046, 0.1411], atol=1e-4)


def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "m")
    (folder / "modules.json").unlink()
    with pytest.raises(ConfigError, match=r"models\.encoder: .* holds no modules\.json"):
        model_of(folder)


class Compass:
    """Vectors from a table; it counts what it reads."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read += texts
        degrees = np.deg2rad([float(text.split()[-1]) for text in texts])
        return np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)


def pair(first: str, second: str) -> AnswerPair:
    return AnswerPair("q", first, second)


def test_answers_whose_vectors_point_the_same_way_say_the_same() -> None:
    compass = Compass()
    rule = EmbeddingRule(Embeddings(compass, {"engine": "test"}, Store()), threshold=0.5)
    pairs = [pair("0", "59"), pair("0", "61"), pair("0", "0"), pair("0", "180"), pair("61", "0")]
    assert list(rule.same(pairs)) == [True, False, True, False, False]
    against, follows = rule.entailment(pairs).T
    assert follows == pytest.approx(
        [np.cos(np.deg2rad(59)), np.cos(np.deg2rad(61)), 1, 0, np.cos(np.deg2rad(61))]
    )
    assert against + follows == pytest.approx(np.ones(5))
    assert rule.support(pairs) == pytest.approx(follows)
    assert sorted(compass.read) == ["0", "180", "59", "61"]
    assert len(rule.same([])) == len(rule.entailment([])) == 0


def test_a_text_is_read_once_also_by_a_later_run() -> None:
    compass, store = Compass(), Store()
    first = Embeddings(compass, {"engine": "test"}, store)
    rule = EmbeddingRule(first, threshold=0.5, question=True)
    rule.same([pair("0", "30"), pair("30", "0"), pair("0", "90")])
    assert sorted(compass.read) == ["q 0", "q 30", "q 90"]
    first.flush()
    later = Embeddings(compass, {"engine": "test"}, store)
    assert (later.of(["q 90", "q 0"])["q 90"] == first.of(["q 90"])["q 90"]).all()
    assert (later.asked, len(compass.read)) == (0, 3)
    other = Embeddings(compass, {"engine": "another"}, store)
    other.of(["q 90"])
    assert other.asked == 1
