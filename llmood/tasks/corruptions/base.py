"""What every corruption has: a name, a sentence, a rate for each grade, and a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmood.registry import Registry
from llmood.seeds import derive_generator

GRADES = (1, 2, 3, 4, 5)

# What share of what could be changed is changed, at the grades 1 to 5.
RATES: Mapping[str, tuple[float, ...]] = {
    "typos": (0.02, 0.05, 0.10, 0.15, 0.25),  # of the letters
    "keyboard": (0.02, 0.05, 0.10, 0.20, 0.35),  # of the letters a to z
    "case": (0.05, 0.15, 0.30, 0.60, 0.95),  # of the letters that have a case
    "deletion": (0.05, 0.10, 0.20, 0.35, 0.50),  # of the words
    "homoglyphs": (0.02, 0.05, 0.10, 0.20, 0.40),  # of the letters with a look-alike, and again of the joints
    "masking": (0.20, 0.40, 0.60, 0.80, 1.00),  # of the addresses, names, telephone numbers and numbers
}

Uniforms = Callable[[int, int], NDArray[np.float64]]
Change = Callable[[str, float, Uniforms], str]


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to spoil a text without changing what it means.

    Attributes:
        summary: one line, for lists of corruptions.
        rates: what share of the places is changed at each grade; rising, within [0, 1].
        change: (text, rate, uniforms) → the text with that share changed. `uniforms(n, k)` gives k numbers in [0, 1)
            for each of n places, the same at every rate: a place is changed where its first number is below the
            rate, so a higher grade changes what a lower one did, and more.
    """

    name: str
    summary: str
    rates: tuple[float, ...]
    change: Change

    def __post_init__(self) -> None:
        rising = all(low <= high for low, high in zip(self.rates, self.rates[1:], strict=False))
        if len(self.rates) != len(GRADES) or not rising or not 0 <= self.rates[0] <= self.rates[-1] <= 1:
            raise ValueError(f"{self.name}: {len(GRADES)} rising rates within [0, 1] are needed")


CORRUPTIONS: Registry[Corruption] = Registry("corruption", "llmood.tasks.corruptions", "llmood.corruptions")


def register(name: str, rates: tuple[float, ...] | None = None) -> Callable[[Change], Change]:
    """List a function as a corruption; its docstring's first line is the summary.

    Args:
        rates: those of `RATES` by default.
    """

    def decorate(change: Change) -> Change:
        summary = (change.__doc__ or "").strip().partition("\n")[0]
        CORRUPTIONS.add(name, Corruption(name, summary, RATES[name] if rates is None else rates, change))
        return change

    return decorate


def uniforms_of(seed: int, corruption: str, key: str) -> Uniforms:
    """The numbers that one text's corruption is made from, from its first one on, whatever the grade."""

    def uniforms(n: int, k: int) -> NDArray[np.float64]:
        # NumPy promises that raw bits stay the same from version to version; of its distributions it doesn't.
        raw = derive_generator(seed, "corrupt", corruption, key).bit_generator.random_raw(n * k)
        bits = np.asarray(raw, dtype=np.uint64) >> np.uint64(11)  # a float64 holds 53
        return bits.reshape(n, k).astype(np.float64) * 2.0**-53

    return uniforms
