"""Character n-gram models: by hand, against a plain recursion over dictionaries, and as probabilities."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmood.measures.character_ngrams import Alphabet, CharacterModel, mutated

TEXT = st.text(alphabet="abcé ", max_size=8)
TEXTS = st.lists(TEXT, min_size=1, max_size=5).filter(any)


class Plain:
    """The same model over strings: ^ before a text, $ behind it, ? for what was never seen."""

    def __init__(self, texts: Sequence[str], order: int) -> None:
        self.order = order
        self.known = set("".join(texts))
        self.follows: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            whole = f"^{text}$"
            for position in range(1, len(whole)):
                for length in range(min(order, position + 1)):
                    self.follows[whole[position - length : position]][whole[position]] += 1

    def probability(self, context: str, symbol: str) -> float:
        below = self.probability(context[1:], symbol) if context else 1 / (len(self.known) + 2)
        seen = self.follows.get(context)
        if not seen:
            return below
        return (seen[symbol] + len(seen) * below) / (seen.total() + len(seen))

    def log_likelihood(self, text: str) -> float:
        whole = "^" + "".join(letter if letter in self.known else "?" for letter in text) + "$"
        return sum(
            log(self.probability(whole[max(0, place - self.order + 1) : place], whole[place]))
            for place in range(1, len(whole))
        )


def model_of(texts: Sequence[str], order: int) -> tuple[CharacterModel, Alphabet]:
    alphabet = Alphabet.of(texts)
    return CharacterModel([alphabet.encode(text) for text in texts], alphabet, order), alphabet


def test_by_hand() -> None:
    # "aab": after ^ came a; after a came a and b; after b came the end. Over a, b, unknown and end, uniform is 1/4.
    model, alphabet = model_of(["aab"], 2)
    unigram = {"a": (2 + 3 / 4) / 7, "b": (1 + 3 / 4) / 7, "$": (1 + 3 / 4) / 7}
    # p(a|^) = (1 + p(a)) / 2, p(b|a) = (1 + 2 p(b)) / 4, p($|b) = (1 + p($)) / 2
    expected = log((1 + unigram["a"]) / 2) + log((1 + 2 * unigram["b"]) / 4) + log((1 + unigram["$"]) / 2)
    (found,), (symbols,) = model.log_likelihoods([alphabet.encode("ab")])
    assert found == pytest.approx(expected)
    assert symbols == 3


def test_the_alphabet() -> None:
    alphabet = Alphabet.of(["ba", "c😀"])
    assert alphabet.encode("abz😀").tolist() == [1, 2, alphabet.unknown, 4]
    assert alphabet.predictable == 6
    assert alphabet.encode("").tolist() == []


@settings(max_examples=50)
@given(TEXTS, st.integers(1, 5), st.lists(st.text(alphabet="abcé xyz", max_size=9), min_size=1, max_size=4))
def test_against_a_plain_recursion(texts: list[str], order: int, scored: list[str]) -> None:
    model, alphabet = model_of(texts, order)
    plain = Plain(texts, order)
    found, symbols = model.log_likelihoods([alphabet.encode(text) for text in scored])
    np.testing.assert_allclose(found, [plain.log_likelihood(text) for text in scored], atol=1e-9)
    assert symbols.tolist() == [len(text) + 1 for text in scored]


@settings(max_examples=30)
@given(TEXTS, st.integers(1, 4), st.text(alphabet="abcéz", max_size=5))
def test_what_can_follow_sums_to_one(texts: list[str], order: int, before: str) -> None:
    # p(next | before) = p(before, next, …) / p(before): the plain model's, which the other test holds ours to.
    plain = Plain(texts, order)
    context = ("^" + "".join(letter if letter in plain.known else "?" for letter in before))[-order + 1 :]
    context = context if order > 1 else ""
    assert sum(plain.probability(context, symbol) for symbol in [*plain.known, "?", "$"]) == pytest.approx(
        1.0
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_all_texts_of_two_letters_and_an_unknown_are_a_distribution(order: int) -> None:
    model, alphabet = model_of(["a", "ab"], order)
    total, texts = 0.0, [""]
    for _ in range(9):
        logs, _ = model.log_likelihoods([alphabet.encode(text) for text in texts])
        total += float(np.exp(logs).sum())
        texts = [text + letter for text in texts for letter in "ab?"]
    # Those of up to eight letters are most of it, and never more than all.
    assert 0.9 < total <= 1.0


def test_a_text_scores_alone_as_among_others() -> None:
    model, alphabet = model_of(["turn on the light", "turn off the radio"], 4)
    texts = [alphabet.encode(text) for text in ("turn on the radio", "", "ünknown", "off")]
    together, _ = model.log_likelihoods(texts)
    alone = [float(model.log_likelihoods([text])[0][0]) for text in texts]
    assert together.tolist() == alone


def test_what_it_was_fitted_on_is_likelier_than_what_it_was_not() -> None:
    model, alphabet = model_of(["turn on the light", "turn off the radio"] * 3, 4)
    known, other = model.log_likelihoods(
        [alphabet.encode(text) for text in ("turn on the radio", "the dog ate it")]
    )[0]
    assert known > other
    assert exp(known) <= 1


def test_mutations_are_as_many_as_asked_for_and_only_letters_of_the_alphabet() -> None:
    alphabet = Alphabet.of(["abcd"])
    symbols = np.full(40_000, alphabet.unknown)  # none of which a mutation can draw
    changed = mutated(symbols, alphabet, 0.3, np.random.default_rng(0))
    drawn = changed[changed != alphabet.unknown]
    assert len(drawn) / len(symbols) == pytest.approx(0.3, abs=0.01)
    counts = np.bincount(drawn, minlength=5)
    assert counts[0] == 0
    assert counts[1:] == pytest.approx(len(drawn) / 4, rel=0.05)
    assert mutated(symbols, alphabet, 1.0, np.random.default_rng(0)).max() <= 4
