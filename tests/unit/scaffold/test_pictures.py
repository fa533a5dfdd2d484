"""Which column of a file holds pictures."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from llmood.errors import ConfigError
from llmood.scaffold import Columns, guess
from llmood.scaffold.pictures import picture_columns
from tests.pictures import saved

PNG = saved(Image.new("RGB", (2, 2)), "PNG")


@pytest.mark.parametrize(
    "cell",
    [
        "pictures/a.png",
        "A B.JPEG",
        "data:image/png;base64,AAAA",
        PNG,
        saved(Image.new("RGB", (2, 2)), "WEBP"),
        {"bytes": PNG, "path": None},
        {"bytes": None, "path": "a.webp"},
        ["a.png", "b.gif"],
    ],
)
def test_pictures_are_found_by_their_cells(cell: Any) -> None:
    assert picture_columns([{"words": "a", "seen": cell}, {"words": "b", "seen": None}]) == ["seen"]


@pytest.mark.parametrize(
    "cell",
    ["what is in cat.png?", "notes.txt", ".png", "", b"text", {"path": "a.txt"}, [], ["a.png", 1], 3, None],
)
def test_what_is_no_picture(cell: Any) -> None:
    assert picture_columns([{"seen": cell}]) == []


def test_one_that_is_none_makes_it_a_column_of_words() -> None:
    assert picture_columns([{"input": "a.png"}, {"input": "what is a.png?"}]) == []


def test_words_are_read_and_the_picture_shown() -> None:
    rows = [{"input": f"{n}.png", "content": f"what is {n}?", "answer": str(n)} for n in range(9)]
    assert guess(rows) == Columns(prompt="{{ content }}", images="input", references="answer")


def test_of_several_the_first_is_shown() -> None:
    found = guess([{"a": f"{n}.png", "b": f"{n}.jpg", "question": f"{n}?"} for n in range(9)])
    assert found.images == "a"
    assert found.notes == ("columns of pictures: a, b; of them a alone is shown",)


def test_pictures_alone_need_a_question() -> None:
    rows = [{"image": f"{n}.png", "label": "ab"[n % 2]} for n in range(9)]
    with pytest.raises(ConfigError, match=r"among: label.*say what is asked about each picture"):
        guess(rows)
    assert guess(rows, prompt="What is it?") == Columns(prompt="What is it?", images="image", label="label")
