"""The two models: a base that has seen pictures of every kind, and a LoRA adapter for one kind of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from demo_world.train import Batch, Trainer, log, round_to_half, save_adapter, tune_epochs
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, Idefics3ForConditionalGeneration, Idefics3Processor

from demo_images import eye
from demo_images.batches import collate
from demo_images.model import load_base, make_base, make_processor
from demo_images.scenes import SEED, Row
from demo_images.stream import Shown, held_out, pretraining_stream, take, texts

SEEING_STEPS, SEEING_BATCH, SEEING_RATE = 500, 64, 2e-3
SPEAKING_STEPS, SPEAKING_BATCH, SPEAKING_RATE = 800, 32, 3e-3
ANSWERING_STEPS, ANSWERING_RATE = 700, 2e-3
STYLES_STEPS, STYLES_SPEAKING_STEPS, STYLES_RATE = 200, 300, 1e-3
QUESTIONS_OF = 4  # of so many pictures, one teaches how questions read
TUNING_EPOCHS, TUNING_BATCH, TUNING_RATE = 4, 32, 1e-3
RANK, ALPHA = 16, 32
# The words' side alone, by name: the eye has layers of the same names.
LAYERS = r"model\.text_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"


def pretrain(splits: Mapping[str, Sequence[Row]], folder: Path) -> None:
    """Make processor and base from the stream of pictures and store both, weights in float16."""
    held = held_out(splits)
    shutil.rmtree(folder, ignore_errors=True)
    processor = make_processor(texts(pretraining_stream(held, "words")), folder)
    model = make_base(processor.tokenizer).train()
    log(f"base: {sum(weight.numel() for weight in model.parameters()):,} parameters")
    learn_to_see(model, pretraining_stream(held, "eye"))
    learn_to_speak(model, processor, pretraining_stream(held, "base"), SPEAKING_RATE, SPEAKING_STEPS)
    round_to_half(model)
    answers = pretraining_stream(held, "answers", "questions")
    learn_to_speak(model, processor, answers, ANSWERING_RATE, ANSWERING_STEPS)
    round_to_half(model)
    learn_styles(model, processor, held)
    round_to_half(model)
    model.half().save_pretrained(folder)


def learn_to_see(model: Idefics3ForConditionalGeneration, stream: Iterator[Shown]) -> None:
    """Teach the picture's side what stands where."""
    trainer = Trainer(eye.Eye(model), SEEING_RATE, SEEING_STEPS, weight_decay=0.01)
    _steps("seeing", trainer, SEEING_STEPS, lambda: eye.batch(take(stream, SEEING_BATCH)))


def learn_styles(
    model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, held: set[object]
) -> None:
    """Teach the picture's side how things are drawn, and the words for it."""
    torch.manual_seed(SEED)
    trainer = Trainer(eye.Eye(model, styles=True), STYLES_RATE, STYLES_STEPS, weight_decay=0.01)
    stream = pretraining_stream(held, "eye, styles")
    _steps("seeing styles", trainer, STYLES_STEPS, lambda: eye.batch(take(stream, SEEING_BATCH)))
    said = pretraining_stream(held, "styles", "styles")
    learn_to_speak(model, processor, said, STYLES_RATE, STYLES_SPEAKING_STEPS)


def learn_to_speak(
    model: Idefics3ForConditionalGeneration,
    processor: Idefics3Processor,
    stream: Iterator[Shown],
    rate: float,
    steps: int,
) -> None:
    """Teach the whole model what is said about pictures."""
    trainer = Trainer(model, rate, steps, weight_decay=0.01)
    _steps(
        "speaking",
        trainer,
        steps,
        lambda: collate(processor, take(stream, SPEAKING_BATCH), every=QUESTIONS_OF),
    )


def _steps(name: str, trainer: Trainer, steps: int, batch: Callable[[], Batch]) -> None:
    losses: list[float] = []
    for step in range(1, steps + 1):
        losses.append(trainer.step(batch()))
        if step % 50 == 0:
            log(f"{name}, step {step}: loss {sum(losses[-50:]) / 50:.4f}")


def shown(row: Row) -> Shown:
    """A row as it is trained on: its picture, its question and its answer."""
    return Shown(row.picture, ((row.question, row.answer),))


def tune(
    train: Sequence[Row], validation: Sequence[Row], base: Path, folder: Path, written_base: str
) -> None:
    """Tune LoRA on questions and answers; the epoch with the lowest validation loss is stored, in float16."""
    processor = AutoProcessor.from_pretrained(base)
    torch.manual_seed(SEED)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=LAYERS)
    model = get_peft_model(load_base(base), config)
    tune_epochs(
        model,
        train,
        validation,
        lambda rows: collate(processor, list(map(shown, rows))),
        rate=TUNING_RATE,
        epochs=TUNING_EPOCHS,
        size=TUNING_BATCH,
        save=lambda: save_adapter(model, folder, written_base),
    )
    _halve(folder / "adapter_model.safetensors")


def _halve(path: Path) -> None:
    save_file({name: weight.half() for name, weight in load_file(path).items()}, path, {"format": "pt"})
