"""Scorers of what a model says of its own answer, and of how the answer sounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.observations import Block
from llmood.records import FAILED, OK, UNSCORED, CaptureSpec
from llmood.scorers.base import Scorer, scorers
from llmood.tables import CAPTURE_SCHEMAS


def block_of(scorer: Scorer, rows: list[dict[str, Any]]) -> Block:
    (spec,) = scorer.needs
    table = pa.Table.from_pylist([{"status": OK, **row} for row in rows], schema=CAPTURE_SCHEMAS[spec.kind])
    return Block(
        np.arange(len(rows)),
        pa.table({"sample_id": [str(place) for place in range(len(rows))]}),
        {spec: table},
    )


def scored(name: str, *rows: dict[str, Any]) -> tuple[list[float | None], list[str | None]]:
    scorer = scorers.get(name).make()
    scores = scorer.score(block_of(scorer, list(rows)))
    return [None if np.isnan(value) else round(float(value), 6) for value in scores.values], list(
        scores.reasons
    )


def test_p_true_is_of_the_two_letters() -> None:
    for name in ("p_true", "p_true.sampled"):
        values, reasons = scored(
            name,
            {"label_logits": [np.log(3.0), 0.0]},
            {"label_logits": [0.0, np.log(3.0)]},
            {"label_logits": None, "status": UNSCORED, "reason": "empty answer"},
            {"label_logits": None, "status": FAILED},
            {"label_logits": None},
        )
        assert values == [0.25, 0.75, None, None, None]
        assert reasons == [
            None,
            None,
            "empty answer",
            "failed",
            "the engine gave no logits of the two labels",
        ]


def test_p_true_asks_for_the_letters_of_its_prompt() -> None:
    plain, sampled = (
        scorers.get(name).make(generations={"n": 3, "seed": 1}) for name in ("p_true", "p_true.sampled")
    )
    assert plain.needs == (CaptureSpec.of("next_token", "tuned", "derived:p_true@1", labels="A|B", top=0),)
    (spec,) = sampled.needs
    assert spec.target == "derived:p_true_sampled@1"
    assert dict(spec.params) == {"labels": "A|B", "top": 0, "drawn_n": 3, "drawn_seed": 1}
    assert (plain.definition, sampled.definition) == (
        "prompt: derived:p_true@1",
        "prompt: derived:p_true_sampled@1",
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("verbalised_confidence", "90"),
        ("verbalised_confidence.one_turn", "Answer: 7\nConfidence: 90"),
        ("verbalised_confidence.top_k", "G1: 7\nP1: 0.9\nG2: 8\nP2: 0.05"),
    ],
)
def test_a_stated_confidence_is_one_less_it(name: str, said: str) -> None:
    values, reasons = scored(
        name, {"text": said}, {"text": "no idea"}, {"text": None}, {"status": FAILED, "reason": "why"}
    )
    assert values == [0.1, None, None, None]
    assert reasons == [None, "it states no confidence", "the run keeps no text", "why"]


def test_the_answer_s_own_number_is_not_read_in_one_turn() -> None:
    assert scored("verbalised_confidence.one_turn", {"text": "Answer: 42"})[1] == ["it states no confidence"]


def test_an_answer_sounds_as_sure_as_its_least_sure_phrase() -> None:
    values, reasons = scored(
        "linguistic_confidence", {"text": "Probably Paris"}, {"text": "Paris"}, {"text": " "}, {"text": None}
    )
    assert values == [0.3, 0.0, None, None]
    assert reasons == [None, None, "empty answer", "the run keeps no text"]
