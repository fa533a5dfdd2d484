"""Character n-gram models with Witten–Bell interpolation, and random mutations of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BEGIN = 0  # what stands before every text; a context, never predicted


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Characters as symbols 1 to n, then one for every other character, and one for the end of a text.

    Attributes:
        characters: code points, ascending.
    """

    characters: Integers

    @classmethod
    def of(cls, texts: Sequence[str]) -> Alphabet:
        return cls(np.unique(_code_points("".join(texts))))

    @property
    def unknown(self) -> int:
        return len(self.characters) + 1

    @property
    def end(self) -> int:
        return len(self.characters) + 2

    @property
    def predictable(self) -> int:
        """How many symbols a model spreads its probability over: all but `BEGIN`."""
        return len(self.characters) + 2

    def encode(self, text: str) -> Integers:
        """The symbols of a text, without `BEGIN` and end."""
        points = _code_points(text)
        place = np.searchsorted(self.characters, points)
        known = place < len(self.characters)
        known[known] = self.characters[place[known]] == points[known]
        return np.where(known, place + 1, self.unknown).astype(np.int64)


class CharacterModel:
    """Interpolated Witten–Bell estimates of the next symbol from up to `order` − 1 before it.

    p_k(c | h) = (N(h c) + T(h) · p_{k−1}(c | h′)) / (N(h) + T(h)), where h′ is h without its first symbol, N counts,
    and T(h) is how many different symbols followed h; below the unigram stands the uniform distribution. A context
    that was never seen leaves the shorter one's estimate. The estimates of each context sum to one over the alphabet,
    the unknown character and the end.

    Source: Witten and Bell, "The zero-frequency problem" (IEEE Transactions on Information Theory, 1991), interpolated
    as in Chen and Goodman (1999).

    Args:
        texts: of symbols, as `Alphabet.encode` gives them.
        order: the n of the longest n-grams.
    """

    def __init__(self, texts: Sequence[Integers], alphabet: Alphabet, order: int) -> None:
        self.alphabet = alphabet
        self.order = order
        symbols, place = _joined(texts, alphabet)
        self._grams: list[Integers] = []  # of each length, the codes that occur, ascending
        self._counts: list[Floats] = []  # N(h c)
        self._followers: list[tuple[Floats, Floats]] = []  # N(h) and T(h) of the contexts one symbol shorter
        ids, contexts = np.zeros(len(symbols), dtype=np.int64), 1
        for length in range(order):
            inside = place >= length
            codes = self._codes(ids, symbols)
            grams, counts = np.unique(codes[inside], return_counts=True)
            predicted = np.where(grams % self._base == BEGIN, 0, counts)
            parents = grams // self._base
            total = np.bincount(parents, weights=predicted, minlength=contexts)
            kinds = np.bincount(parents, weights=predicted > 0, minlength=contexts)
            self._grams.append(grams)
            self._counts.append(predicted.astype(np.float64))
            self._followers.append((total.astype(np.float64), kinds.astype(np.float64)))
            ids, contexts = _shifted(self._find(length, codes, inside)), len(grams)

    def log_likelihoods(self, texts: Sequence[Integers]) -> tuple[Floats, Integers]:
        """Log p of each text with its end, and how many symbols that is a sum of."""
        symbols, place = _joined(texts, self.alphabet)
        probability = np.full(len(symbols), 1.0 / self.alphabet.predictable)
        ids = np.zeros(len(symbols), dtype=np.int64)  # of the context before each symbol, −1: never seen
        for length in range(self.order):
            seen = (place >= length) & (ids >= 0)
            codes = self._codes(ids, symbols)
            found = self._find(length, codes, seen)
            total, kinds = (column[ids[seen]] for column in self._followers[length])
            counts = np.where(found[seen] >= 0, self._counts[length][found[seen]], 0.0)
            spread = kinds * probability[seen]
            follows = total + kinds
            probability[seen] = np.where(
                follows > 0, (counts + spread) / np.maximum(follows, 1.0), probability[seen]
            )
            ids = _shifted(found)
        row = np.cumsum(place == 0) - 1
        scored = place > 0
        logs = np.bincount(row[scored], weights=np.log(probability[scored]), minlength=len(texts))
        return logs.astype(np.float64), np.array([len(text) + 1 for text in texts], dtype=np.int64)

    @property
    def _base(self) -> int:
        return self.alphabet.predictable + 1

    def _codes(self, ids: Integers, symbols: Integers) -> Integers:
        return np.asarray(ids * self._base + symbols, dtype=np.int64)

    def _find(self, length: int, codes: Integers, among: NDArray[np.bool_]) -> Integers:
        """The place of each n-gram among those that occur in the training texts, −1 where it doesn't."""
        grams = self._grams[length]
        found = np.full(len(codes), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(grams, codes[among]), len(grams) - 1)
        found[among] = np.where(grams[place] == codes[among], place, -1)
        return found


def mutated(symbols: Integers, alphabet: Alphabet, rate: float, generator: np.random.Generator) -> Integers:
    """A copy in which each symbol is replaced, with probability `rate`, by one drawn uniformly from the characters.

    Source: Ren et al., "Likelihood Ratios for Out-of-Distribution Detection" (NeurIPS 2019), §3.
    """
    changed = generator.random(len(symbols)) < rate
    drawn = generator.integers(1, len(alphabet.characters) + 1, size=len(symbols))
    return np.where(changed, drawn, symbols)


def _code_points(text: str) -> Integers:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)


def _shifted(found: Integers) -> Integers:
    """The n-gram that ends at each symbol, as the context of the next."""
    return np.concatenate([np.full(min(1, len(found)), -1), found[:-1]])


def _joined(texts: Sequence[Integers], alphabet: Alphabet) -> tuple[Integers, Integers]:
    """All texts in one row, each between `BEGIN` and end, and where in its text each symbol stands."""
    around = [np.array([edge], dtype=np.int64) for edge in (BEGIN, alphabet.end)]
    parts = [part for text in texts for part in (around[0], text, around[1])]
    lengths = [len(text) + 2 for text in texts]
    symbols = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    starts = np.cumsum([0, *lengths])[:-1]
    return symbols, np.arange(len(symbols)) - np.repeat(starts, lengths).astype(np.int64)
