"""What a comparison reads, and that it is captured before."""

from __future__ import annotations

import pytest

from llmood.engines.captures import capture_splits, compared, comparison_of, given_for, required_captures
from llmood.records import CaptureSpec
from llmood.scorers.base import scorers

GENERATIONS = {"n": 3, "seed": 0}
RESPONSE = {"max_new_tokens": 20}
EQUIVALENCE = {"rule": "embedding", "threshold": 0.7, "question": False}
DRAWS = CaptureSpec.of("generations", "tuned", **GENERATIONS)  # type: ignore[arg-type]
ANSWER = CaptureSpec.of("response", "tuned", max_new_tokens=20)


@pytest.mark.parametrize(
    ("pairs", "read"),
    [
        ("openers", (DRAWS,)),
        ("all", (DRAWS,)),
        ("tokens", (DRAWS,)),
        ("sentences", (DRAWS,)),
        ("answer", (DRAWS, ANSWER)),
        ("answer_tokens", (ANSWER,)),
    ],
)
def test_a_comparison_names_what_it_reads(pairs: str, read: tuple[CaptureSpec, ...]) -> None:
    both = "answer" in pairs
    generations = None if pairs == "answer_tokens" else GENERATIONS
    spec = comparison_of(pairs, EQUIVALENCE, generations, RESPONSE if both else None)
    assert compared(spec) == read
    assert given_for([spec]) == list(read)
    other = spec.on_adapter("tuned:1")
    assert compared(other) == tuple(each.on_adapter("tuned:1") for each in read)


def test_imported_answers_have_no_parameters() -> None:
    spec = comparison_of("answer", {"rule": "exact"}, {}, {})
    assert [each.id for each in compared(spec)] == ["generations/tuned/prompt", "response/tuned/prompt"]


def test_answers_are_captured_for_what_compares_them() -> None:
    scorer = scorers.get("cocoa.msp").make(
        generations=GENERATIONS, response=RESPONSE, equivalence=EQUIVALENCE
    )
    assert required_captures([scorer], RESPONSE) == [ANSWER, DRAWS]
    assert set(capture_splits([scorer], RESPONSE, "test")) == {ANSWER, DRAWS}
    alone = scorers.get("token_sar").make(response=RESPONSE)
    assert required_captures([alone], RESPONSE) == [ANSWER]
