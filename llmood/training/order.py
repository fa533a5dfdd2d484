"""Which texts a step learns from, and at what rate: functions of seed, epoch and step, which a resumed run repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from llmood.seeds import derive_generator

WINDOW = 8  # batches whose texts are put in order of length: little padding, and still a fair mixture a step


def epoch_batches(lengths: Sequence[int], batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """The batches of an epoch as indices, each index once.

    Texts are shuffled, put in order of length within windows of some batches, cut into batches, and the batches
    shuffled.
    """
    generator = derive_generator(seed, "order", epoch)
    order = generator.permutation(len(lengths))
    sizes = np.asarray(lengths)
    batches: list[list[int]] = []
    for start in range(0, len(order), WINDOW * batch_size):
        window = order[start : start + WINDOW * batch_size]
        window = window[np.argsort(sizes[window], kind="stable")]
        batches += [window[at : at + batch_size].tolist() for at in range(0, len(window), batch_size)]
    return [batches[index] for index in generator.permutation(len(batches))]


def steps_an_epoch(rows: int, batch_size: int) -> int:
    """The last batch may be smaller."""
    return math.ceil(rows / batch_size)


def learning_rate(step: int, *, total: int, warmup: float, peak: float) -> float:
    """The rate of a step, counted from 0: a line up to the peak, then half a cosine down to 0.

    Args:
        total: all steps.
        warmup: the share of them that the line takes, rounded up.
    """
    rising = math.ceil(warmup * total)
    if step < rising:
        return peak * step / rising
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(1, total - rising)))
