"""Examples with pictures, a tiny model that learns from them, and transformers' own losses of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from llmood.engines.folders import ModelFolder
from llmood.finetune_config import PROFILES
from llmood.records import Message, Sample
from llmood.training.examples import Example, Examples, make_examples
from llmood.training.models.lora import LoraModel
from llmood.training.pictures import EndingPictureTokenizer, ending_tokenizer, pixels_of
from llmood.training.targets import choose_targets
from tests.pictures import demo_pictures, speckled
from tests.plain_pictures import plain_processor
from tests.seeing import picture
from tests.tiny_qwen import text_of

QUESTIONS = ("what is red?", "which", "is the circle above the square?", "what is red?")
ANSWERS = ("a square", "circle", "yes", "a ring")


def images() -> list[Image.Image]:
    """Of two shapes: one gives fewer tiles."""
    return [*demo_pictures(3), speckled(64, 32)]


def sample(text: str, answer: str, *shown: Image.Image, chat: bool = False) -> Sample:
    pictures = tuple(map(picture, shown))
    digests = tuple(each.digest for each in pictures)
    turns = (Message("user", text),)
    return Sample(
        text, "t", "train", turns, chat=chat, references=(answer,), images=digests, pictures=pictures
    )


def samples(chat: bool = False) -> list[Sample]:
    """Questions about pictures, and one without any."""
    rows = zip(QUESTIONS, ANSWERS, images(), strict=True)
    return [*(sample(*row, chat=chat) for row in rows), sample("no picture here", "words", chat=chat)]


def tokenizer_of(folder: Path) -> EndingPictureTokenizer:
    made = ending_tokenizer(ModelFolder("models.base", "b", folder), trust=False)
    assert isinstance(made, EndingPictureTokenizer)
    return made


def examples(
    tokenizer: EndingPictureTokenizer, rows: Sequence[Sample], *, end: bool = True, **changes: Any
) -> Examples:
    settings = PROFILES["small"].model_copy(update={"answers": True, "loss_on": "response"} | changes)
    end_id = tokenizer.end_id if end else None
    return make_examples(rows, tokenizer, settings, chat=None, end_id=end_id, longest=999)


def make(folder: Path, tokenizer: EndingPictureTokenizer, **changes: Any) -> LoraModel:
    settings = PROFILES["small"].model_copy(update={"rank": 4, "alpha": 8} | changes)
    targets = choose_targets(settings.targets, ModelFolder("models.base", "b", folder))
    shown = partial(pixels_of, tokenizer)
    return LoraModel(folder, settings, targets, seed=0, dtype="float32", device="cpu", pixels=shown)


def tuned_by(base: ModelFolder, wanted: Sequence[str] | None) -> set[str]:
    """The layers that peft adapts, by the model's own names."""
    settings = PROFILES["small"].model_copy(update={"rank": 2})
    targets = choose_targets(wanted, base)
    model = LoraModel(base.folder, settings, targets, seed=0, dtype="float32", device="cpu")
    return {name.partition(".lora_")[0].removeprefix("base_model.model.") for name in model.adapter()}


def learn(model: LoraModel, rows: Sequence[Example], steps: int) -> list[float]:
    with model.training():
        return [model.step(rows, rate=1e-2, step=step) for step in range(steps)]


def plain_losses(folder: Path, rows: Sequence[Sample], shown: Sequence[Sequence[Image.Image]]) -> list[float]:
    """transformers' own loss of each answer and the end, by its own processor, model and labels: no llmood."""
    from transformers import AutoModelForImageTextToText

    processor = plain_processor(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    mark = text_of(json.loads((folder / "config.json").read_text())["model_type"])
    found = []
    for row, own in zip(rows, shown, strict=True):
        asked = mark * len(own) + row.text
        given = {"images": [list(own)]} if own else {}
        prompt = processor(text=[asked], return_tensors="pt", **given)["input_ids"][0]
        both = dict(processor(text=[f"{asked} {row.references[0]}"], return_tensors="pt", **given))
        ends = {"input_ids": processor.tokenizer.eos_token_id, "attention_mask": 1, "mm_token_type_ids": 0}
        for name in both.keys() & ends.keys():
            both[name] = torch.cat([both[name], torch.tensor([[ends[name]]])], dim=1)
        labels = both["input_ids"].clone()
        labels[0, : len(prompt)] = -100
        with torch.no_grad():
            mean = model(**both, labels=labels).loss
        found.append(float(mean) * int((labels >= 0).sum()))
    return found
