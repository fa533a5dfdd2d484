"""Tuning on pictures: the ids are those of a run, the losses those of transformers, and memory is a batch's."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from llmood.config import RunConfig
from llmood.engines.base import Request
from llmood.engines.folders import ModelFolder
from llmood.engines.kept_pixels import KeptPixels
from llmood.errors import ConfigError, EngineError
from llmood.finetune_config import PROFILES
from llmood.picture_records import Picture
from llmood.tokenise import read_all
from llmood.training.examples import GONE, MARKED, UNFIT, Example
from llmood.training.models import lora
from llmood.training.models.lora import LoraModel
from llmood.training.pictures import (
    EndingPictureTokenizer,
    pixels_of,
)
from llmood.training.targets import choose_targets
from tests import tiny_models
from tests.pictures import demo_pictures, speckled
from tests.seeing import picture
from tests.tiny_models import TUNED, engine_of
from tests.tiny_pictures import TOKEN, save_llava, save_pictured
from tests.tiny_qwen import EACH_KIND, KINDS
from tests.tuning import (
    ANSWERS,
    QUESTIONS,
    examples,
    images,
    learn,
    make,
    plain_losses,
    sample,
    samples,
    tokenizer_of,
    tuned_by,
)


@pytest.fixture(scope="module", params=EACH_KIND)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_in(tmp_path_factory.mktemp("sees"), request.param)


def made_in(folder: Path, kind: str) -> Path:
    if kind == "tiles":
        return save_pictured(folder, split=True, max_position_embeddings=512)
    return KINDS[kind](folder)


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictured(tmp_path_factory.mktemp("pictured"))


# ---------------------------------------------------------------------------------------------------------------- ids


def test_prompt_ids_are_those_that_a_run_sends(folder: Path) -> None:
    check_ids(folder, chat=False)


@pytest.mark.parametrize("kind", ["whole", "tiles", "qwen2", "qwen3"])
def test_and_so_are_a_chat_s(tmp_path: Path, kind: str) -> None:
    check_ids(made_in(tmp_path, kind), chat=True)


def test_words_alone_are_rendered_in_parts_too(pictured: Path) -> None:
    """SmolVLM's template shows nothing of a plain string."""
    tokenizer = tokenizer_of(pictured)
    (row,) = examples(tokenizer, [sample("ab", "c", chat=True)]).rows
    prompt = tokenizer.encode(["<s>user:ab<end_of_utterance>assistant:"], rendered=True)[0]
    assert row.token_ids[: row.start] == prompt


def check_ids(folder: Path, *, chat: bool) -> None:
    engine = engine_of(folder)
    rows = samples(chat)
    _, _, sent = read_all(rows, engine, RunConfig.model_validate({"benchmark": "b"}))
    made = examples(tokenizer_of(folder), rows).rows
    assert len(made) == len(rows)
    for row, prompt in zip(made, sent, strict=True):
        assert row.token_ids[: row.start] == prompt.token_ids  # type: ignore[union-attr]
        assert row.places == prompt.places  # type: ignore[union-attr]
        assert row.token_ids[row.start :]
    alone = examples(tokenizer_of(folder), rows, end=False, answers=False, loss_on="text").rows
    assert [row.token_ids for row in alone] == [prompt.token_ids for prompt in sent]  # type: ignore[union-attr]
    engine.close()


def test_an_answer_is_that_of_the_words_alone(folder: Path) -> None:
    tokenizer = tokenizer_of(folder)
    for row, one in zip(examples(tokenizer, samples()).rows, samples(), strict=True):
        ids = tokenizer.encode([f" {one.references[0]}"], rendered=True)[0]
        assert row.token_ids[row.start :] == (*ids, tokenizer.end_id)
        assert row.learned == len(ids) + 1


def test_no_token_of_a_picture_carries_loss(pictured: Path) -> None:
    tokenizer = tokenizer_of(pictured)
    rows = [sample("ab", "c", *demo_pictures(2)), sample("ab", "c")]
    shown, words = examples(tokenizer, rows, loss_on="text").rows
    (first, second), learned = shown.places, shown.learned_ranges
    assert first[1] == second[0]
    assert learned == [(second[1], len(shown.token_ids))]
    assert (words.learned_ranges, words.learned) == ([(1, len(words.token_ids))], len(words.token_ids) - 1)
    assert shown.learned == words.learned + 1  # the first word, too: something stands before it
    assert replace(shown, places=((2, 4), (6, 7)), start=3).learned_ranges == [
        (4, 6),
        (7, len(shown.token_ids)),
    ]


def test_what_cannot_be_learned_is_counted(pictured: Path, tmp_path: Path) -> None:
    two = [sample("ab", "c", *demo_pictures(2))]
    made = examples(tokenizer_of(save_llava(tmp_path / "llava")), [*two, *samples()])
    assert (len(made.rows), made.left_out) == (5, {f"{UNFIT}: 2 pictures, and the model takes 1": 1})
    gone = replace(two[0], pictures=(Picture(two[0].images[0], tmp_path / "gone.png"),))
    marked = sample("ab", f"c {TOKEN}", *demo_pictures(1))
    inside = sample(f"a {TOKEN} b", "c")
    made = examples(tokenizer_of(pictured), [gone, marked, inside, *samples()])
    assert len(made.rows) == 5
    assert made.left_out == {
        GONE: 1,
        MARKED: 1,
        f"{UNFIT}: the text holds {TOKEN}, and there is no picture": 1,
    }


def test_another_picture_is_another_training(pictured: Path) -> None:
    tokenizer = tokenizer_of(pictured)
    one, other = (examples(tokenizer, [sample("a", "b", image)]) for image in demo_pictures(2))
    assert one.rows[0].token_ids == other.rows[0].token_ids
    assert one.digest != other.digest
    assert examples(tokenizer, [sample("a", "b", demo_pictures(1)[0])]).digest == one.digest
    assert (one.pictures, examples(tokenizer, [*samples(), samples()[0]]).pictures) == (1, 4)


# ------------------------------------------------------------------------------------------------------------- losses


def test_the_loss_is_transformers_own_alone_and_in_a_batch(folder: Path) -> None:
    tokenizer = tokenizer_of(folder)
    rows = examples(tokenizer, samples()).rows
    model = make(folder, tokenizer)
    expected = plain_losses(folder, samples(), [*([image] for image in images()), []])
    learned = sum(row.learned for row in rows)
    assert model.losses(rows) / learned == pytest.approx(sum(expected) / learned, abs=1e-5)
    for row, loss in zip(rows, expected, strict=True):
        assert model.losses([row]) / row.learned == pytest.approx(loss / row.learned, abs=1e-5)


def test_several_pictures_side_by_side(tmp_path: Path) -> None:
    folder = save_pictured(tmp_path, split=True, max_position_embeddings=512)
    tokenizer = tokenizer_of(folder)
    several = [images()[:2], images()[2:], images()[:2]]
    asked = [
        sample(text, answer, *own)
        for text, answer, own in zip(QUESTIONS[:3], ANSWERS[:3], several, strict=True)
    ]
    rows = examples(tokenizer, asked).rows
    expected = sum(plain_losses(folder, asked, several))
    learned = sum(row.learned for row in rows)
    assert make(folder, tokenizer).losses(rows) / learned == pytest.approx(expected / learned, abs=1e-5)


def test_the_picture_matters(folder: Path) -> None:
    tokenizer = tokenizer_of(folder)
    model = make(folder, tokenizer)
    shown = demo_pictures(1)[0]
    seen, blank = (
        examples(tokenizer, [sample("what is red?", "a square", image)]).rows[0]
        for image in (shown, Image.new("RGB", shown.size, (127, 127, 127)))
    )
    assert seen.token_ids == blank.token_ids
    assert abs(model.losses([seen]) - model.losses([blank])) / seen.learned > 1e-3


def test_the_adapter_lowers_the_loss_and_the_engine_reads_it(folder: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(folder)
    rows = examples(tokenizer, samples()).rows
    model = make(folder, tokenizer, dropout=0.0)
    before = model.losses(rows)
    assert learn(model, rows, 6)[0] == pytest.approx(before, rel=1e-5)
    after = model.losses(rows)
    assert after < before - 0.1
    assert {any(part in name for part in ("vision", "visual", "connector")) for name in model.adapter()} == {
        False
    }
    save_file(model.adapter(), tmp_path / "adapter_model.safetensors", {"format": "pt"})
    config = {**model.adapter_config(), "base_model_name_or_path": str(folder)}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    assert by_engine(folder, tmp_path, rows) == pytest.approx(after, abs=1e-3)


def by_engine(folder: Path, adapter: Path, rows: Sequence[Example]) -> float:
    """−log p of the answers under the tuned model, as a run would have them."""
    engine = engine_of(folder, {"adapter": str(adapter)})
    requests = [Request(row.token_ids, pictures=row.pictures) for row in rows]
    results = engine.capture(TUNED, requests)
    engine.close()
    return -sum(
        sum(result.values["logprobs"][row.start :]) for row, result in zip(rows, results, strict=True)
    )


def test_what_fits_in_memory_at_once_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tokenizer_of(folder)
    rows = examples(tokenizer, samples()).rows
    whole = learn(make(folder, tokenizer, dropout=0.0), rows, 3)
    monkeypatch.setattr(lora, "CPU_TOKENS", 20)
    assert learn(make(folder, tokenizer, dropout=0.0), rows, 3) == pytest.approx(whole, rel=1e-5)
    twice = make(folder, tokenizer, dropout=0.0, gradient_checkpointing=True)
    assert learn(twice, rows, 3) == pytest.approx(whole, rel=1e-5)


def test_in_half_precision(folder: Path) -> None:
    tokenizer = tokenizer_of(folder)
    rows = examples(tokenizer, samples()).rows
    settings = PROFILES["small"].model_copy(
        update={"rank": 4, "dropout": 0.0, "gradient_checkpointing": True}
    )
    targets = choose_targets(None, ModelFolder("models.base", "b", folder))
    shown = partial(pixels_of, tokenizer)
    half = LoraModel(folder, settings, targets, seed=0, dtype="bfloat16", device="cpu", pixels=shown)
    half.check_causal(rows[0])
    before = half.losses(rows)
    assert before == pytest.approx(make(folder, tokenizer).losses(rows), rel=0.02)
    learn(half, rows, 6)
    assert half.losses(rows) < before


def test_pixels_are_those_of_one_pass(pictured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows there are: what was shown before is gone, but for what is kept on purpose."""
    kept = KeptPixels(most_bytes=0)
    tokenizer = EndingPictureTokenizer(pictured, pictured, place="models.base", kept=kept)
    rows = examples(
        tokenizer, [sample(f"q{number}", "a", image) for number, image in enumerate(demo_pictures(40))]
    ).rows
    length = len(rows[0].token_ids)
    monkeypatch.setattr(lora, "CPU_TOKENS", 4 * length + 3)
    alive: list[weakref.ref[torch.Tensor]] = []
    most: list[int] = []

    def shown(pictures: tuple[Picture, ...]) -> dict[str, torch.Tensor]:
        found = pixels_of(tokenizer, pictures)
        alive.append(weakref.ref(found["pixel_values"]))
        most.append(sum(each() is not None for each in alive))
        return found

    model = make(pictured, tokenizer)
    model._pixels = shown
    model.losses(rows)
    learn(model, rows, 1)
    assert len(alive) == 2 * len(rows)
    assert max(most) <= 2 * 4  # a pass's, and those of the one that is being read


# ------------------------------------------------------------------------------------------------------------ refused


def test_a_picture_that_is_gone_ends_the_training(pictured: Path, tmp_path: Path) -> None:
    demo_pictures(1)[0].save(tmp_path / "one.png")
    one = picture(demo_pictures(1)[0])
    there = replace(
        sample("a", "b", demo_pictures(1)[0]), pictures=(replace(one, source=tmp_path / "one.png"),)
    )
    (row,) = examples(tokenizer_of(pictured), [there]).rows
    model = make(pictured, tokenizer_of(pictured))
    model.losses([row])
    model = make(pictured, tokenizer_of(pictured))
    speckled(64, 64).save(tmp_path / "one.png")
    with pytest.raises(
        EngineError, match=r"shows another one than when the rows were read \(one.png\) \(put"
    ):
        model.losses([row])
    (tmp_path / "one.png").unlink()
    with pytest.raises(EngineError, match=r"no file '.*one.png' \(put it back"):
        model.losses([row])


def test_a_model_that_looks_ahead_is_refused(pictured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tokenizer_of(pictured)
    (row,) = examples(tokenizer, samples()[:1]).rows
    model = make(pictured, tokenizer)
    model.check_causal(row)
    honest = type(model._model).forward

    def ahead(self: Any, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        found = honest(self, input_ids=input_ids, **kwargs)
        found.logits = found.logits + input_ids[:, -1:, None].float()
        return found

    monkeypatch.setattr(type(model._model), "forward", ahead)
    with pytest.raises(EngineError, match="looks ahead in a prompt with a picture"):
        model.check_causal(row)


# ------------------------------------------------------------------------------------------------------------ targets


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelFolder]:
    made = tmp_path_factory.mktemp("bases")
    folders = {"idefics3": save_pictured(made / "a"), "llava": save_llava(made / "b")}
    return {name: ModelFolder("models.base", name, path) for name, path in folders.items()}


@pytest.mark.parametrize("kind", ["idefics3", "llava"])
def test_the_language_model_alone_is_tuned(bases: dict[str, ModelFolder], kind: str) -> None:
    where = {"idefics3": "model.text_model", "llava": "model.language_model"}[kind]
    attention = [f"{where}.layers.{layer}.self_attn" for layer in (0, 1)]
    assert tuned_by(bases[kind], None) == {f"{each}.{q}" for each in attention for q in ("q_proj", "v_proj")}
    assert tuned_by(bases[kind], ["k_proj"]) == {f"{each}.k_proj" for each in attention}
    assert tuned_by(bases[kind], ["layers.1.self_attn.q_proj"]) == {f"{attention[1]}.q_proj"}
    # What the language model has not, and what a path leads to.
    found = tuned_by(bases[kind], ["v_proj", "lm_head", "fc1"])
    assert {f"{each}.v_proj" for each in attention} < found
    assert {name.rsplit(".", 1)[-1] for name in found} == {"v_proj", "lm_head", "fc1"}
    assert len(found) == 2 + 1 + 2
    with pytest.raises(ConfigError, match="has no layer 'query'"):
        choose_targets(["query"], bases[kind])


def test_a_language_model_that_is_called_otherwise_is_not_guessed(tmp_path: Path) -> None:
    base = tiny_models.save_model(tmp_path / "base")
    tiny_models.change_json(base / "config.json", vision_config={}, model_type="novel")
    model = ModelFolder("models.base", "b", base)
    with pytest.raises(ConfigError, match=r"query and value is not known .*name the layers"):
        choose_targets(None, model)
    assert choose_targets(["q_proj"], model) == r"(.*\.)?(q_proj)"
