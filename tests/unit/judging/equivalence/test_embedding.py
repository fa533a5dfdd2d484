"""Sentence vectors: what the folder says they are, whatever they are read with; each text once; and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from llmood.config import EngineConfig, FullModel
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.judging.equivalence.embeddings import Embeddings
from llmood.judging.equivalence.encoder_model import EncoderModel
from llmood.judging.equivalence.rules import AnswerPair, EmbeddingRule
from tests.encoders import save_encoder, write

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


def test_case_is_folded_where_the_folder_says_so(folder: Path, tmp_path: Path) -> None:
    lower = model_of(save_encoder(tmp_path / "lower", do_lower_case=True))
    assert np.allclose(lower.embed(["YES"]), model_of(folder).embed(["yes"]), atol=1e-6)


def test_the_newer_form_of_pooling_is_read_too(folder: Path, tmp_path: Path) -> None:
    newer = save_encoder(tmp_path / "newer")
    write(newer / "1_Pooling" / "config.json", {"embedding_dimension": 32, "pooling_mode": "mean"})
    assert np.array_equal(model_of(newer).embed(TEXTS), model_of(folder).embed(TEXTS))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "modules.json",
            [{"type": "a.Transformer", "path": ""}, {"type": "a.Dense", "path": "1"}],
            "is made of Transformer, Dense",
        ),
        ("modules.json", [{"type": "a.Transformer", "path": ""}], "is made of Transformer"),
        ("modules.json", {"no": "list"}, "is no list of modules"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pools by max"),
        ("1_Pooling/config.json", {}, "pools by nothing"),
        (
            "config_sentence_transformers.json",
            {"default_prompt_name": "query"},
            "puts a prompt before every text",
        ),
    ],
)
def test_what_is_not_known_here_is_refused(tmp_path: Path, name: str, value: object, said: str) -> None:
    folder = save_encoder(tmp_path / "m")
    write(folder / name, value)
    with pytest.raises(ConfigError, match=said):
        model_of(folder)


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
