"""From pictures and texts to tensors: several texts about one picture share it, and don't see each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from demo_world.train import IGNORED, Batch
from demo_world.world import document, prompt
from transformers import Idefics3Processor

from demo_images.draw import SIDE, draw
from demo_images.model import IMAGE_TOKENS
from demo_images.stream import Shown


class Packed(NamedTuple):
    """The texts about one picture, one behind the other.

    Attributes:
        part: which text a token is of; 0: the picture and the marks around it, which all texts see.
        place: the position that a token has in a prompt with its text alone.
        answer: whether a token is of an answer, or ends it.
    """

    ids: list[int]
    part: list[int]
    place: list[int]
    answer: list[bool]


def pack(processor: Idefics3Processor, one: Shown) -> Packed:
    """``<s>`` picture, then each question with its answer and ``</s>``."""
    tokenizer = processor.tokenizer
    around, picture, whole = tokenizer.convert_tokens_to_ids(
        ["<fake_token_around_image>", "<image>", "<global-img>"]
    )
    ids = [tokenizer.bos_token_id, around, whole, *[picture] * IMAGE_TOKENS, around]
    part, place, answer = [0] * len(ids), list(range(len(ids))), [False] * len(ids)
    start = len(ids)
    words = tokenizer([document(*pair) for pair in one.pairs], add_special_tokens=False)["input_ids"]
    asked = tokenizer([prompt(question) for question, _ in one.pairs], add_special_tokens=False)["input_ids"]
    for number, (each, before) in enumerate(zip(words, asked, strict=True), start=1):
        text = [*each, tokenizer.eos_token_id]
        ids += text
        part += [number] * len(text)
        place += range(start, start + len(text))
        answer += [i >= len(before) for i in range(len(text))]
    return Packed(ids, part, place, answer)


def pixels(shown: Sequence[Shown]) -> torch.Tensor:
    """(batch, 1, 3, side, side) between -1 and 1, as the processor makes them."""
    values = np.stack([np.asarray(draw(one.picture)) for one in shown])
    scaled = torch.from_numpy(values).permute(0, 3, 1, 2).float() / 255
    return ((scaled - 0.5) / 0.5).view(len(shown), 1, 3, SIDE, SIDE)


def collate(processor: Idefics3Processor, shown: Sequence[Shown], every: int = 1) -> Batch:
    """One batch: a token sees its picture, and what stands before it in its own text.

    Args:
        every: of so many pictures, one teaches its questions; all teach their answers. Questions are soon known as
            well as they can be, and what remains of their loss would drown what answers have to teach.
    """
    packed = [pack(processor, one) for one in shown]
    width = max(len(one.ids) for one in packed)

    def padded(rows: Sequence[list[int]], value: int) -> torch.Tensor:
        return torch.tensor([row + [value] * (width - len(row)) for row in rows])

    ids = padded([one.ids for one in packed], processor.tokenizer.pad_token_id)
    part = padded([one.part for one in packed], -1)
    seen = (part[:, :, None] == part[:, None, :]) | (part[:, None, :] == 0)
    before = torch.ones(width, width, dtype=torch.bool).tril()
    # Nothing is learnt of the picture's own tokens, nor of how a text begins after another one.
    begins = torch.zeros_like(part, dtype=torch.bool)
    begins[:, 1:] = (part[:, 1:] != part[:, :-1]) & (part[:, 1:] > 1)
    questions = ~torch.tensor([one.answer + [False] * (width - len(one.answer)) for one in packed])
    questions[::every] = False
    return {
        "input_ids": ids,
        "attention_mask": (seen & before)[:, None],
        "position_ids": padded([one.place for one in packed], 0),
        "pixel_values": pixels(shown),
        "labels": ids.masked_fill((part < 1) | begins | questions, IGNORED),
    }
