"""What a person is shown of a record."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from llmood.serve.questions import question_of

TURNS = [
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": "said"},
    {"role": "user", "content": [{"type": "text", "text": "last"}, {"type": "image_url"}]},
]


@pytest.mark.parametrize(
    ("record", "columns", "shown"),
    [
        ({"text": "a"}, ["question"], "a"),
        ({"question": "q", "text": "a", "id": "7"}, ["question"], "q"),
        ({"question": None, "text": "a"}, ["question"], "a"),
        ({"messages": TURNS, "text": "a"}, (), "last"),
        ({"turns": TURNS}, ["turns"], "last"),
        ({"prompt": "p", "text": "a"}, (), "p"),
        ({"question": "q", "context": "c"}, ["question", "context"], '{"question": "q", "context": "c"}'),
        ({"prompt": [1, 2]}, (), '{"prompt": [1, 2]}'),
        ({"messages": [{"role": "user"}]}, (), ""),
        ({"messages": [3, {"role": "system", "content": "s"}], "text": "a"}, (), "a"),
    ],
)
def test_the_words_that_were_scored_are_shown(
    record: dict[str, Any], columns: Collection[str], shown: str
) -> None:
    assert question_of(record, columns) == shown
