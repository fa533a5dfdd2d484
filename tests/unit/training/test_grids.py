"""Tuning models of Qwen-VL's kind, which count positions by a picture's grid: losses, passes, and what is tuned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from llmood.engines.folders import ModelFolder
from llmood.engines.models.pixels import GRIDS
from llmood.records import Sample
from llmood.training.models import loss
from llmood.training.models.loss import alike
from llmood.training.pictures import pixels_of
from llmood.training.targets import choose_targets
from tests.pictures import demo_pictures, speckled
from tests.tiny_qwen import EACH_VERSION, save_qwen
from tests.tuning import examples, learn, make, plain_losses, sample, tokenizer_of, tuned_by


@pytest.fixture(scope="module", params=EACH_VERSION)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_qwen(tmp_path_factory.mktemp("qwen"), version=request.param)


def shown() -> list[list[Image.Image]]:
    """High, wide, of two sizes in either order, and nothing. The second and third have tensors of the same shapes."""
    square, high, wide = demo_pictures(1)[0], speckled(32, 64), speckled(64, 32)
    return [[square], [high], [wide], [square, wide], [wide, square], []]


def asked() -> list[Sample]:
    texts = (
        "what is red?",
        "which",
        "is it above the square, or below?",
        "same?",
        "are they the same?",
        "no picture",
    )
    answers = ("a square", "circle", "yes", "no, not at all", "no", "words")
    return [sample(text, answer, *own) for text, answer, own in zip(texts, answers, shown(), strict=True)]


@pytest.mark.parametrize("order", [1, -1])
def test_the_loss_of_a_batch_is_transformers_own_row_by_row(folder: Path, order: int) -> None:
    """Words alone before a picture and behind one: the model remembers how far the last pass's positions were."""
    tokenizer = tokenizer_of(folder)
    rows = examples(tokenizer, asked()).rows[::order]
    model = make(folder, tokenizer)
    expected = plain_losses(folder, asked(), shown())[::order]
    learned = sum(row.learned for row in rows)
    assert model.losses(rows) / learned == pytest.approx(sum(expected) / learned, abs=1e-5)
    for row, own in zip(rows, expected, strict=True):
        assert model.losses([row]) / row.learned == pytest.approx(own / row.learned, abs=1e-5)


def test_padded_rows_of_other_grids_share_a_pass(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short row of a high picture beside a long one of a wide one; told of no picture, a model counts tokens."""
    tokenizer = tokenizer_of(folder)
    rows = examples(tokenizer, asked()).rows[1:3]
    pixels = [pixels_of(tokenizer, row.pictures) for row in rows]
    assert len(rows[0].token_ids) < len(rows[1].token_ids) - 10
    assert alike(pixels) == [[0, 1]]
    assert pixels[0][GRIDS].tolist() != pixels[1][GRIDS].tolist()
    model = make(folder, tokenizer)
    expected = plain_losses(folder, asked()[1:3], shown()[1:3])
    with torch.no_grad():
        together = loss.summed_loss(model._model, rows, pixels)
        assert float(together) == pytest.approx(sum(expected), abs=1e-5 * sum(row.learned for row in rows))
        monkeypatch.setattr(
            loss, "told", lambda _, ids, own: {**own, "mm_token_type_ids": torch.zeros_like(ids)}
        )
        assert abs(float(loss.summed_loss(model._model, rows, pixels)) - sum(expected)) > 1e-2


def test_it_learns_from_several_and_does_not_look_ahead(folder: Path) -> None:
    tokenizer = tokenizer_of(folder)
    rows = examples(tokenizer, asked()).rows
    model = make(folder, tokenizer, dropout=0.0)
    for row in rows:
        model.check_causal(row)
    before = model.losses(rows)
    assert learn(model, rows, 6)[0] == pytest.approx(before, rel=1e-5)
    assert model.losses(rows) < before - 0.1


def test_the_language_model_alone_is_tuned(folder: Path) -> None:
    """Files of the first two call it `model`, and the eye of the second has a `gate_proj`, too."""
    base = ModelFolder("models.base", "b", folder)
    layers = [f"model.language_model.layers.{layer}" for layer in (0, 1)]
    values = {f"{each}.self_attn.v_proj" for each in layers}
    assert tuned_by(base, None) == {f"{each}.self_attn.q_proj" for each in layers} | values
    assert tuned_by(base, ["gate_proj"]) == {f"{each}.mlp.gate_proj" for each in layers}
    assert tuned_by(base, ["layers.1.self_attn.q_proj"]) == {f"{layers[1]}.self_attn.q_proj"}
    eye = {f"model.visual.blocks.{block}.attn.qkv" for block in (0, 1)}
    assert tuned_by(base, ["v_proj", "qkv"]) == values | eye
    assert tuned_by(base, ["visual.blocks.0.attn.qkv"]) == {"model.visual.blocks.0.attn.qkv"}


def test_and_so_by_a_configuration_as_they_are_published(folder: Path, tmp_path: Path) -> None:
    """What the language model has stands beside `vision_config`, not within a `text_config`."""
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config.pop("text_config") | config))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    published, nested = (ModelFolder("models.base", "b", each) for each in (tmp_path, folder))
    assert choose_targets(None, published) == choose_targets(None, nested)
