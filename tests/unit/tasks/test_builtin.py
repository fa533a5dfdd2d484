"""The hub's rows of the built-in tasks, as their dataset cards show them, become what the local rows become."""

from __future__ import annotations

from typing import Any

import pytest

from llmood.tasks import HubSource, find_task
from llmood.tasks.fields import RowReader

SOLUTION = (
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold 48+24 = <<48+24=72>>72 clips altogether."
)


@pytest.mark.parametrize(
    ("name", "row", "attributes"),
    [
        ("clinc150", {"text": "hi there", "intent": "greeting"}, {"label": "greeting", "domain": None}),
        ("clinc150", {"text": "hi there", "intent": "oos"}, None),
        ("clinc150_oos", {"text": "hi there", "intent": "oos"}, {"label": "oos"}),
        ("clinc150_oos", {"text": "hi there", "intent": "greeting"}, None),
        ("banking77", {"text": "hi there", "label": "card_arrival"}, {"label": "card_arrival"}),
        ("rt_polarity", {"text": "hi there", "label": "neg"}, {"label": "negative"}),
        ("rt_polarity", {"text": "hi there", "label": "pos"}, {"label": "positive"}),
        (
            "gsm8k",
            {"question": "hi there", "answer": f"{SOLUTION}\n#### 1,072"},
            {"references": ("1072",), "meta": {"solution": SOLUTION}},
        ),
    ],
)
def test_a_row_of_the_hub(name: str, row: dict[str, Any], attributes: dict[str, Any] | None) -> None:
    spec = find_task(name)
    (source,) = [source for source in spec.sources if isinstance(source, HubSource)]
    assert source.revision is None
    sample = RowReader(spec, source).sample(row, "test", "x:1")
    if attributes is None:
        assert sample is None
    else:
        assert sample is not None
        assert sample.text == "hi there"
        assert {key: getattr(sample, key) for key in attributes} == attributes


LETTERED = "Which?\nA. red\nB. blue\nC. green\nD. grey\nAnswer:"
EXAM = {"question": "Which?", "choices": ["red", "blue", "green", "grey"], "answer": "B"}


@pytest.mark.parametrize(
    ("name", "row", "text", "attributes"),
    [
        (
            "mmlu",
            {**EXAM, "subject": "virology"},
            LETTERED,
            {"references": ("B",), "domain": "virology", "meta": {"answer_text": "blue"}},
        ),
        ("mmlu_medicine", {**EXAM, "subject": "virology"}, LETTERED, {"references": ("B",)}),
        (
            "boolq",
            {"question": "is it so", "answer": True, "passage": "It is."},
            "It is.\nQuestion: is it so\nAnswer:",
            {"references": ("yes",), "label": "yes", "group": None},
        ),
        (
            "boolq",
            {"question": "is it so", "answer": False, "passage": "It is."},
            "It is.\nQuestion: is it so\nAnswer:",
            {"references": ("no",), "label": "no"},
        ),
        (
            "pubmedqa",
            {
                "pubid": 1,
                "question": "Is it so?",
                "context": {"contexts": ["One.", "Two."], "labels": ["A", "B"]},
                "long_answer": "It is.",
                "final_decision": "maybe",
            },
            "One.\nTwo.\nQuestion: Is it so?\nAnswer:",
            {"references": ("maybe",), "label": "maybe", "meta": {"long_answer": "It is."}},
        ),
        ("nq_open", {"question": "who", "answer": ["he", "she"]}, "who", {"references": ("he", "she")}),
        ("gsm_hard", {"input": "2+2?", "code": "", "target": 4.0}, "2+2?", {"references": ("4",)}),
        ("gsm_hard", {"input": "2+2?", "code": "", "target": -4}, "2+2?", {"references": ("-4",)}),
        ("gsm_hard", {"input": "1/4?", "code": "", "target": 0.25}, "1/4?", {"references": ("0.25",)}),
    ],
)
def test_a_row_of_the_hub_under_other_columns(
    name: str, row: dict[str, Any], text: str, attributes: dict[str, Any]
) -> None:
    spec = find_task(name)
    (source,) = [source for source in spec.sources if isinstance(source, HubSource)]
    sample = RowReader(spec, source).sample(row, "test", "x:1")
    assert sample is not None
    assert sample.text == text
    assert {key: getattr(sample, key) for key in attributes} == attributes


def test_a_part_of_mmlu_leaves_the_hubs_other_subjects_out() -> None:
    spec = find_task("mmlu_medicine")
    (source,) = [source for source in spec.sources if isinstance(source, HubSource)]
    assert RowReader(spec, source).sample({**EXAM, "subject": "philosophy"}, "test", "x:1") is None
