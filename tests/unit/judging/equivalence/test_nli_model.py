"""The inference model in a folder: verdicts that depend on no batch mate, and classes that must have names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llmood.config import EngineConfig, FullModel
from llmood.errors import ConfigError
from llmood.judging.equivalence.nli_model import NliModel
from tests.nli_models import save_cross_encoder
from tests.tiny_models import change_json

PAIRS = [("q yes", "q no"), ("a much longer premise, to be padded against", "short"), ("x", "y " * 200)]


def model_of(folder: Path) -> NliModel:
    return NliModel(FullModel(model=str(folder)), EngineConfig(device="cpu"), folder=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("nli"))


def test_a_verdict_is_the_models_own_softmax_whatever_it_is_read_with(folder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = model_of(folder)
    together = model.ask(PAIRS)
    assert np.allclose(together, np.concatenate([model.ask([pair]) for pair in PAIRS]), atol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for pair, ours in zip(PAIRS[:2], together[:2], strict=True):
        with torch.no_grad():
            theirs = plain(**tokenizer(*pair, return_tensors="pt")).logits.softmax(-1)[0]
        assert np.allclose(ours, theirs.numpy(), atol=1e-5)
    assert np.allclose(together.sum(axis=1), 1, atol=1e-5)


def test_classes_are_told_by_their_names_in_any_order(folder: Path, tmp_path: Path) -> None:
    turned = save_cross_encoder(tmp_path / "turned", labels=("ENTAILMENT", "Neutral", "contradiction"))
    assert np.allclose(model_of(turned).ask(PAIRS), model_of(folder).ask(PAIRS)[:, ::-1], atol=1e-6)


def test_two_classes_leave_no_contradiction(tmp_path: Path) -> None:
    two = save_cross_encoder(tmp_path / "two", labels=("entailment", "not_entailment"))
    found = model_of(two).ask(PAIRS)
    assert (found[:, 0] == 0).all()
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)


def test_classes_without_names_are_refused(folder: Path, tmp_path: Path) -> None:
    nameless = save_cross_encoder(tmp_path / "nameless")
    change_json(nameless / "config.json", id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
    with pytest.raises(
        ConfigError, match=r"models\.nli: the classes of .* are called label_0, label_1, label_2"
    ):
        model_of(nameless)


def test_pairs_over_its_length_are_counted_and_read_from_their_beginning(folder: Path) -> None:
    model = model_of(folder)
    limit = model.weights.context_length
    assert limit is not None
    verdicts = model.ask([("a", "b"), ("x", "y " * limit), ("z " * limit, "w")])
    assert model.cut == 2
    # What is behind the cut changes nothing; what is before it does.
    further = model.ask([("x", "y " * limit + "but not so"), ("not x", "y " * limit)])
    assert model.cut == 4
    assert np.array_equal(further[0], verdicts[1])
    assert not np.allclose(further[1], verdicts[1], atol=1e-4)
    model.close()
    model.ask([("a", "b")])
    assert model.cut == 4
