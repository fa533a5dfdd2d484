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
