"""In which order answers were drawn says nothing, and neither does who was drawn beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmood.scorers.base import scorers
from llmood.seeds import unit_interval
from tests.answering import Inference, Said, Sample, scored

DRAWING = [name for name, entry in scorers if any(spec.kind == "generations" for spec in entry.make().needs)]
# Clusters of answers that an inference model compares depend on who came first: being alike isn't transitive there.
CLUSTERED = {
    name
    for name in DRAWING
    if name.startswith(("semantic_entropy", "semantic_sets")) or name == "self_consistency"
}

WORDS = ["red", "The red.", "blue", "A blue sky. A red sun.", "A red sun.", "nobody knows", ""]


class Hashed(Inference):
    """Verdicts at random, the same for the same pair."""

    def ask(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        drawn = np.array([[unit_interval(0, *pair, str(label)) for label in range(3)] for pair in pairs])
        return (drawn / drawn.sum(axis=1, keepdims=True)).astype(np.float32).reshape(-1, 3)


@st.composite
def said(draw: st.DrawFn) -> Said:
    text = draw(st.sampled_from(WORDS))
    tokens = len(text.encode()) + 1
    values = st.lists(st.floats(-6, -0.0078125, width=32), min_size=tokens, max_size=tokens)
    return Said(text, tuple(draw(values)), tuple(-value for value in draw(values)))


@st.composite
def turned(draw: st.DrawFn) -> tuple[Said, list[Said], list[Said]]:
    """An answer, some draws, and the same in another order; the same words were always as likely."""
    answer = draw(said())
    drawn = draw(st.lists(said(), min_size=3, max_size=5))
    first = {each.text: each for each in reversed([answer, *drawn])}
    drawn = [first[each.text] for each in drawn]
    return answer, drawn, draw(st.permutations(drawn))


def flat(text: str, logprob: float) -> Said:
    """Each token as likely as the others."""
    tokens = len(text.encode()) + 1
    return Said(text, (logprob,) * tokens, (-logprob,) * tokens)


RED, BLUE = flat("red", -0.25), flat("blu", -2.0)
APART = 0.01  # what two answers that differ so much make at least; rounding makes less


def sure_and_unsure(count: int) -> list[Sample]:
    """So many draws that are all the answer; and half of them another, which is less likely."""
    half = count // 2
    return [(RED, [RED] * count), (RED, [RED] * half + [BLUE] * (count - half))]


def check_order(name: str, answer: Said, one: list[Said], other: list[Said], nli: Inference | None) -> None:
    """The same draws in two orders score the same, and not because everything does."""
    samples = [(answer, one), (answer, other), *sure_and_unsure(len(one))]
    first, second, sure, unsure = scored(name, samples, nli=nli).values
    assert np.isnan(first) == np.isnan(second)
    assert np.isnan(first) or first == pytest.approx(second, abs=1e-6)
    assert abs(unsure - sure) > APART


def check_sureness(name: str) -> None:
    """Who always says the same is the surest."""
    sure, unsure = scored(name, sure_and_unsure(4)).values
    assert unsure - sure > APART


@pytest.mark.parametrize("name", DRAWING)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turned())
def test_order_changes_nothing(name: str, drawn: tuple[Said, list[Said], list[Said]]) -> None:
    for nli in (None, Hashed()) if name not in CLUSTERED else (None,):
        check_order(name, *drawn, nli)


@pytest.mark.parametrize("name", DRAWING)
def test_draws_that_are_all_the_answer_are_as_sure_as_it_gets(name: str) -> None:
    check_sureness(name)


@pytest.mark.parametrize("name", ["constant", "random"])
def test_who_says_nothing_or_anything_is_found_out(name: str) -> None:
    with pytest.raises(AssertionError):
        check_order(name, RED, [RED, BLUE, RED], [BLUE, RED, RED], None)
    if name == "constant":  # at random, one of two is the surer
        with pytest.raises(AssertionError):
            check_sureness(name)
