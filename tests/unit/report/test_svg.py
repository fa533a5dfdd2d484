from __future__ import annotations

import numpy as np
import pytest

from llmood.displays import RocCurves
from llmood.report.svg import inline_svg
from tests.unit.report.html_reading import Page


def display(name: str = "s") -> RocCurves:
    return RocCurves(
        {name: np.array([0.1, 0.4, 0.35, 0.8])}, np.array([False, False, True, True]), ood_task="o"
    )


def test_the_same_data_give_the_same_picture() -> None:
    assert inline_svg(display(), "f") == inline_svg(display(), "f")


def test_ids_carry_the_prefix_and_are_used() -> None:
    page = Page(inline_svg(display(), "f7"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert ids
    assert all(name.startswith("f7-") for name in ids)


def test_it_is_named_for_who_cannot_see_it() -> None:
    page = Page(inline_svg(display(), "f"))
    tag, attributes = page.tags[0]
    assert (tag, attributes["role"], attributes["aria-labelledby"]) == ("svg", "img", "f-title")
    assert page.within("title") == [
        "ROC curves of 1 scorers on o: share of OOD caught by share of ID flagged."
    ]


@pytest.mark.parametrize(
    "name", ["</text><script>alert(1)</script>", "$\\frac{1}{2}$", "a\x00b", "得分", "\ud800"]
)
def test_any_name_can_be_drawn(name: str) -> None:
    page = Page(inline_svg(display(name), "f"))
    assert "script" not in {tag for tag, _ in page.tags}


def test_colours_follow_the_page() -> None:
    text = inline_svg(display(), "f")
    assert "var(--line-1)" in text
    assert "var(--muted)" in text
    assert "font-family" not in text
