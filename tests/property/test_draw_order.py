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
from tests.answering import Inference, Said, scored

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


@pytest.mark.parametrize("name", DRAWING)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turned())
def test_order_changes_nothing(name: str, drawn: tuple[Said, list[Said], list[Said]]) -> None:
    answer, one, other = drawn
    for nli in (None, Hashed()) if name not in CLUSTERED else (None,):
        first, second = scored(name, [(answer, one), (answer, other)], nli=nli).values
        assert np.isnan(first) == np.isnan(second)
        assert np.isnan(first) or first == pytest.approx(second, abs=1e-6)


@pytest.mark.parametrize("name", DRAWING)
def test_draws_that_are_all_the_answer_are_as_sure_as_it_gets(name: str) -> None:
    red, blue = (Said(text, (-0.5,) * (len(text) + 1), (0.5,) * (len(text) + 1)) for text in ("red", "blu"))
    sure, unsure = scored(name, [(red, [red] * 4), (red, [red, red, blue, blue])]).values
    assert sure <= unsure
