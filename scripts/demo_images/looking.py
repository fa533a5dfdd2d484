"""What the two models make of a population: log-probabilities, hidden states and answers, without llmood's engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from demo_world.world import prompt
from numpy.typing import NDArray
from peft import PeftModel
from PIL import Image
from transformers import AutoProcessor, Idefics3ForConditionalGeneration, Idefics3Processor

from demo_images.draw import draw
from demo_images.model import load_base
from demo_images.scenes import Row

BATCH, NEW_TOKENS = 50, 4

Floats = NDArray[np.float64]


class Models(NamedTuple):
    """Base and tuned model as two separate sets of weights, and what shows them pictures."""

    processor: Idefics3Processor
    base: Idefics3ForConditionalGeneration
    tuned: PeftModel


class Asked(NamedTuple):
    """Questions about pictures."""

    questions: list[str]
    pictures: list[Image.Image]


class Found(NamedTuple):
    """What a population gives.

    Attributes:
        base, tuned: sums of log p over the words of the prompts.
        length: of how many words' tokens.
        states: the tuned model's by layer and position, (n, width).
        answers: its greedy ones.
    """

    base: Floats
    tuned: Floats
    length: Floats
    states: dict[tuple[int, str], Floats]
    answers: list[str]


def load(folder: Path) -> Models:
    """Load what a user would load: float16 weights as float32, the adapter on a base of its own."""
    base = folder / "base"
    tuned = PeftModel.from_pretrained(load_base(base), folder / "tuned").eval()
    return Models(AutoProcessor.from_pretrained(base), load_base(base), tuned)


def asked(rows: Sequence[Row]) -> Asked:
    """Rows as they are stored."""
    return Asked([row.question for row in rows], [draw(row.picture) for row in rows])


def look(models: Models, population: Asked) -> Found:
    """All of it; prompts of one length go together, so that nothing is padded."""
    lengths = [len(models.processor.tokenizer(prompt(each))["input_ids"]) for each in population.questions]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    parts: list[tuple[list[int], Found]] = []
    start = 0
    while start < len(order):
        stop = start
        while stop < min(len(order), start + BATCH) and lengths[order[stop]] == lengths[order[start]]:
            stop += 1
        members = order[start:stop]
        parts.append((members, _look(models, population, members)))
        start = stop
    back = np.argsort(np.concatenate([members for members, _ in parts]))
    answers = [answer for _, found in parts for answer in found.answers]

    def joined(pick: Any) -> Floats:
        whole: Floats = np.concatenate([pick(found) for _, found in parts])[back]
        return whole

    return Found(
        joined(lambda found: found.base),
        joined(lambda found: found.tuned),
        joined(lambda found: found.length),
        {key: joined(lambda found, key=key: found.states[key]) for key in parts[0][1].states},
        [answers[i] for i in back],
    )


@torch.no_grad()
def _look(models: Models, population: Asked, members: Sequence[int]) -> Found:
    processor = models.processor
    inputs = processor(
        text=[processor.image_token + prompt(population.questions[i]) for i in members],
        images=[[population.pictures[i]] for i in members],
        return_tensors="pt",
    )
    ids = inputs["input_ids"]
    end = (
        int((ids[0] == processor.image_token_id).nonzero()[-1]) + 2
    )  # behind the mark that closes the picture
    picture = ids[0] == processor.image_token_id
    words = torch.arange(ids.shape[1]) >= end
    words[0] = True  # what every prompt begins with is no picture's either
    tuned = models.tuned(**inputs, output_hidden_states=True)
    states: dict[tuple[int, str], Floats] = {}
    for layer, each in enumerate(tuned.hidden_states):
        states[layer, "mean_prompt"] = each.mean(dim=1).double().numpy()
        states[layer, "mean_image"] = each[:, picture].mean(dim=1).double().numpy()
        states[layer, "mean_text"] = each[:, words].mean(dim=1).double().numpy()
        if layer > 0:  # below, the last token is the same of all prompts
            states[layer, "last_prompt"] = each[:, -1].double().numpy()
    drawn = models.tuned.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
    texts = processor.batch_decode(drawn[:, ids.shape[1] :], skip_special_tokens=True)
    return Found(
        _summed(models.base(**inputs).logits, ids, end),
        _summed(tuned.logits, ids, end),
        np.full(len(members), float(ids.shape[1] - end)),
        states,
        [text.strip() for text in texts],
    )


def _summed(logits: torch.Tensor, ids: torch.Tensor, start: int) -> Floats:
    logprobs = torch.log_softmax(logits[:, :-1].double(), dim=-1)
    chosen = logprobs.gather(-1, ids[:, 1:, None])[..., 0]
    found: Floats = chosen[:, start - 1 :].sum(dim=1).numpy()
    return found
